"""Where a call can be: in a menu, dialling, waiting in a queue, talking … One stage at a time, one file a stage."""
