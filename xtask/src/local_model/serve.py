"""Serves weights on a free loopback port and says which: serve.py FILE NAME. Ends when its standard input does."""

import os
import sys
import threading

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.model_alias = {sys.argv[2]}
params.port = 0
params.n_ctx = 4096
# One at a time: what shares a batch changes the last digits, and with them what a seed gives.
params.n_parallel = 1
params.ui = False
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = min(4, os.cpu_count() or 1)
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)


def leave():
    # Whoever started this holds the other end; it closes however they end.
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=leave).start()
