"""interfaces: the whole distributed protocol, one short file a worker. Every cast is a doorbell: the database says what to do."""
