"""Files of other tools as work items: pure parsing, from bytes to rows to items, without any I/O of its own."""
