// The library's out-of-line parts.
