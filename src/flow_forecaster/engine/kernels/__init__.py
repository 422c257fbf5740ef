"""The loops: arrays in, arrays out. They cannot fail, and they release the interpreter while they run."""
