"""db: the only SQL. ``engine`` opens the database; ``models`` are the tables; each other module is one aggregate's functions.

Every function takes a transaction (``tx``) as its first argument, never opens one, and returns model rows or plain values. Ownership is
a WHERE clause. A compare-and-set is an UPDATE whose row count says who won.
"""
