"""The commands of the command line: a function each, calling the public step of the same name."""
