"""The command line: one small file for each command, which parses, calls and prints. Nothing imports it."""
