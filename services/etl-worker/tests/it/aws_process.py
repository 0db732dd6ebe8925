"""The credential_process of a profile: prints keys that expire after three seconds, with a number that grows each time. Argument: COUNTER."""

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

counter = Path(sys.argv[1])
number = int(counter.read_text()) + 1 if counter.exists() else 1
counter.write_text(str(number))
expires = (datetime.now(timezone.utc) + timedelta(seconds=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
print(json.dumps({"Version": 1, "AccessKeyId": f"PROCESS{number}", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": expires}))
