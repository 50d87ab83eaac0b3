# The side of systemd in sd_notify(3), at the path that it is given: prints each message as a line of JSON.
import json, os, socket, sys

receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
print('"listening"', flush=True)
while True:
    message, descriptors, _, _ = socket.recv_fds(receiver, 65536, 8)
    # Whoever sends BARRIER=1 waits until its descriptor is closed.
    for descriptor in descriptors:
        os.close(descriptor)
    if message != b'BARRIER=1':
        print(json.dumps(message.decode()), flush=True)
