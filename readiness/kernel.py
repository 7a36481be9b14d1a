"""The kernel of one notebook of a run: Jupyter's own, that cannot be left behind."""

from ipykernel.kernelapp import launch_new_instance

from readiness.processes import die_with_parent

if __name__ == "__main__":
    # ipykernel's own watch over its parent is a Python thread: native code that
    # never gives up the interpreter lock would outlive a killed run.
    die_with_parent()
    launch_new_instance()
