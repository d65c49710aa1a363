"""RPC: mechanism, no vocabulary. The only room that imports kombu, and it imports no other room.

interface.py   how a service declares its methods: casts, calls, broadcasts (the vocabulary is in nova_lite/interfaces/)
client.py      makes the object whose methods send; server.py hands what arrives to an endpoint
serializer.py  the messages: JSON, errors by registered name
transport.py   ``connect(url)``: publish, request, consume; what client and server stand on
consumer.py publisher.py link.py heartbeat.py   its parts: what is listened to; what is sent; one connection that
               remakes itself for ever; the proof that a message still makes the round trip
broker.py memory.py   kombu: the connection to RabbitMQ, and the broker inside this process
"""
