"""`python -m deployment`, which `./deploy.sh` calls."""

from local_stack.entry import enter

if __name__ == "__main__":
    enter("deployment.cli")
