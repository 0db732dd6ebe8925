"""Gets two objects as a released client, one after the other, and prints them.

usage: late.py STORE ID ID
"""

import sys

from scaler.config.types.address import AddressConfig
from scaler.io.ymq import IOContext
from scaler.io.ymq_sync_object_storage_connector import YMQSyncObjectStorageConnector
from scaler.utility.identifiers import ObjectID

store, *ids = sys.argv[1:]
connector = YMQSyncObjectStorageConnector(IOContext(), b"late", AddressConfig.from_string(store))
for object_id in ids:
    print(connector.get_object(ObjectID(bytes.fromhex(object_id))).decode(), flush=True)
