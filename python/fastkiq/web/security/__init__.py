"""What stands before the pages, outermost first: one file a concern, each a plain ASGI class.

1. `headers.py`     every answer, errors too, carries the policy that keeps scripts out
2. `host_check.py`  the name by which we were called, against DNS rebinding
3. `access.py`      who asks, and whether they may
4. `limits.py`      methods, and the body: bounded, read whole, parsed
5. `read_only.py`   nothing but reading, where so configured
6. `forgery.py`     changes only from our own pages
"""
