"""Signal controllers as this service reaches them, one class per protocol."""
