"""`python -m local_stack`, which `./deploy.sh` calls."""

from terminal.entry import enter

if __name__ == "__main__":
    enter("local_stack.cli")
