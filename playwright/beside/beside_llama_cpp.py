"""llama.cpp on one thread, through llama-cpp-python: prints its speeds as one line of JSON.

Does not sample by anything but the largest logit, nor have the package's name, which would be imported
instead of it. Usage: python beside_llama_cpp.py MODEL.gguf 1,403,… COUNT
"""

import json
import sys
import time

from llama_cpp import Llama

model, prompt, count = sys.argv[1], [int(id) for id in sys.argv[2].split(",")], int(sys.argv[3])
llama = Llama(model, n_ctx=1024, n_threads=1, n_threads_batch=1, n_batch=512, n_gpu_layers=0, logits_all=False, verbose=False)


def step(tokens):
    llama.eval(tokens)
    return llama.sample(temp=0.0, top_k=1)


# Once to warm up, once to measure.
for _ in range(2):
    llama.reset()
    start = time.perf_counter()
    token = step(prompt)
    read = time.perf_counter()
    for _ in range(count):
        token = step([token])
    end = time.perf_counter()
print(json.dumps({"prompt_tokens_per_s": len(prompt) / (read - start), "decode_tokens_per_s": count / (end - read)}))
