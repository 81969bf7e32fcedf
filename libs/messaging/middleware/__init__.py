"""What happens around every handler. One concern per file; the order is in `libs.messaging.dispatch`."""
