"""The commands of `wordaround`, one file each: parse, call one function, print what came of it."""
