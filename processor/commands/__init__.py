"""The commands, each in a module or folder of its name; ``cli`` parses their arguments.

They are imported when they run: ``idstream resolve`` starts without the clients of Kafka and Redis.
"""
