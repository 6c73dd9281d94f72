"""Rules across definitions, one function each: it yields a fault for everything it finds."""
