"""`python -m deployment`, which `./deploy.sh` calls."""

from terminal.entry import enter

if __name__ == "__main__":
    enter("deployment.cli")
