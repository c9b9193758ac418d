"""What a shop uses and does not run itself, small enough to run beside it: a payment service and a mail server."""
