# ruff: noqa: F821 the variables are given as globals
import base64
import json
import sys
import urllib.parse

PLAIN = "nothing to hide"
SAME = secret
INSIDE = f"pre{secret}post"
BASE64 = base64.b64encode(f"me:{secret}".encode()).decode()
URL = "https://me:" + urllib.parse.quote_plus(secret) + "@host"
JSON = json.dumps({"a": [secret, joined], "repr": repr(secret)})
print("said:", secret, repr(secret), JSON)
print(list, map, file=sys.stderr)
