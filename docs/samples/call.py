import msgpack
import os
import socket

host, port = os.environ.get("PERDURE_NODE", "127.0.0.1:7077").split(":")
node = socket.create_connection((host, int(port)))
node.sendall(msgpack.packb([0, 1, "counter/visits.add", [1]]))  # request: 0, your number for it, target, arguments

answers = msgpack.Unpacker()
answers.feed(node.recv(65536))
_, number, error, result = answers.unpack()  # response: 1, the same number, error or nil, result or nil
print(error or result)
