"""The roof: settings, database, wiring, the application, the background loops and the command line.

Begin with `cli`, which names each command, then `wiring` (what everything stands on), `faces` (what is joined above
that), `app` and `serving`. `worker` runs the loops, `retaining` ends what has ended, `database` owns the threads.
"""
