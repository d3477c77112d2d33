"""Clients made with the official SDKs. `client.py ADDRESS TOKEN STEPS`: takes the steps, a JSON array of names, one after the
other, and says what came of each, one JSON document a line. They are told an address and a key, and nothing else."""

import json
import sys

import anthropic
import openai

ADDRESS, TOKEN, STEPS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]

chat = openai.OpenAI(base_url=ADDRESS + "/v1", api_key=TOKEN, timeout=300)
messages = anthropic.Anthropic(base_url=ADDRESS, api_key=TOKEN, timeout=300)


def models():
    return {"models": sorted(model.id for model in chat.models.list())}


def chat_whole():
    raw = chat.chat.completions.with_raw_response.create(model="local", messages=QUESTION, max_tokens=12)
    answer = raw.parse()
    return {
        "text": answer.choices[0].message.content,
        "tokens": [answer.usage.prompt_tokens, answer.usage.completion_tokens],
        "receipt": raw.headers["cascade-receipt"],
    }


def chat_stream(**more):
    pieces, usage = [], None
    for chunk in chat.chat.completions.create(model="local", messages=QUESTION, max_tokens=12, stream=True, **more):
        usage = chunk.usage or usage
        pieces += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    return {"pieces": len(pieces), "text": "".join(pieces), "usage": usage and usage.completion_tokens}


def chat_stream_usage():
    return chat_stream(stream_options={"include_usage": True})


def messages_whole():
    answer = messages.messages.create(model="claude", messages=QUESTION, max_tokens=12)
    return {"text": answer.content[0].text, "stop": answer.stop_reason, "tokens": answer.usage.output_tokens}


def messages_stream():
    with messages.messages.stream(model="claude", messages=QUESTION, max_tokens=12) as stream:
        pieces = list(stream.text_stream)
        return {"pieces": len(pieces), "text": "".join(pieces), "stop": stream.get_final_message().stop_reason}


def unknown():
    return chat.chat.completions.create(model="no-such-model", messages=QUESTION)


def unknown_messages():
    return messages.messages.create(model="no-such-model", messages=QUESTION, max_tokens=5)


def stranger():
    return openai.OpenAI(base_url=ADDRESS + "/v1", api_key="sk-no-token").models.list()


def stranger_messages():
    client = anthropic.Anthropic(base_url=ADDRESS, api_key="sk-no-token")
    return client.messages.create(model="claude", messages=QUESTION, max_tokens=5)


for step in STEPS:
    try:
        told = globals()[step]()
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        told = {"raised": type(error).__name__, "status": error.status_code, "body": error.body}
    except (openai.APIError, anthropic.APIError) as error:
        told = {"raised": type(error).__name__, "message": error.message}
    print(json.dumps(told), flush=True)
