"""How people ask about operations: wordings to train on, others kept back, and the answers to what is off the topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

DOCUMENT: Mapping[str, Sequence[str]] = {
    "trained": (
        "Write the documentation of this operation.\n"
        "Service: {service}\nOperation: {operation}\nParameters: {parameters}",
        "Document the operation {operation} of {service}. It takes these parameters: {parameters}.",
        "{service} {operation}\nParameters: {parameters}\nDescribe what this operation does.",
        "Service: {service}\nOperation: {operation}\nParameters: {parameters}\nWrite a short description.",
        "I need API documentation for {operation} in {service}. Parameters: {parameters}.",
        "Describe the {service} operation {operation} (parameters: {parameters}).",
    ),
    "held out": (
        "Please draft the reference text for {operation}, an operation of {service} with the parameters {parameters}.",
        "Operation {operation}, service {service}, parameters {parameters}. What should its documentation say?",
        "Fill in the missing description of {service}'s {operation} operation. Its parameters are {parameters}.",
    ),
}

EXPLAIN: Mapping[str, Sequence[str]] = {
    "trained": (
        "What does {service} {operation} do?",
        "What does the {operation} operation of {service} do?",
        "Explain {service} {operation} in one sentence.",
        "What is {operation} in {service} for?",
        "In {service}, what happens when I call {operation}?",
        "Tell me what {operation} does in {service}.",
    ),
    "held out": (
        "Can you say in short what {service}'s {operation} is good for?",
        "I saw a call to {operation} on {service}. What is its purpose?",
        "Summarise the {service} API call {operation}.",
    ),
}

FIND: Mapping[str, Sequence[str]] = {
    "trained": (
        "Which {service} operation {action}?",
        "Which operation of {service} {action}?",
        "Name the {service} operation that {action}.",
        "What is the name of the {service} operation that {action}?",
        "In {service}, which operation {action}?",
        "I am looking for the {service} call that {action}. What is it called?",
    ),
    "held out": (
        "What should I call in {service} if I need the operation that {action}?",
        "Give me the operation in the {service} API that {action}.",
        "There is an operation of {service} that {action}. Which one is it?",
    ),
}

OPENINGS: Mapping[str, Sequence[str]] = {
    "trained": ("", "Hi, ", "Quick question: ", "Please help me: ", "One more thing: ", "Okay. "),
    "held out": ("Hello again, ", "By the way, "),
}
"""What may come before a question that is off the topic."""

GREETINGS: Mapping[str, Sequence[str]] = {
    "trained": (
        "Hi", "Hello", "Hey there", "Good morning", "Good evening", "Hi, how are you?", "Hello, who are you?",
        "What can you do?", "What are you for?", "How can you help me?", "Help", "Are you a person?",
        "What do you know about?", "How do I use you?",
    ),
    "held out": ("Good afternoon", "What is your purpose?", "Hey, what sort of assistant is this?"),
}  # fmt: skip

OFF_TOPIC: Mapping[str, Sequence[str]] = {
    "trained": (
        "what is the capital of France?", "who wrote Hamlet?", "how do I bake bread?",
        "what is the weather like today?", "tell me a joke.", "what is 17 times 23?",
        "who won the world cup in 1998?", "translate 'good night' into German.", "write a poem about the sea.",
        "how far away is the moon?", "what should I cook for dinner?", "recommend a good book.",
        "how do I fix a flat tyre?", "what is the meaning of life?", "sing me a song.", "what time is it?",
        "how old is the universe?", "who was the first person on the moon?", "what is the best pizza topping?",
        "how do plants make energy?", "can you play chess?", "what is the square root of 144?",
        "how do I learn to swim?", "tell me about the Roman Empire.", "what is your favourite colour?",
        "write a letter to my landlord.", "how do I lose weight?", "which shares should I buy?",
        "what causes earthquakes?", "how many people live in Japan?", "who painted the Mona Lisa?",
        "how do I train a puppy?", "what is a black hole?", "give me a riddle.", "how do I get rid of a cold?",
        "what is the tallest mountain in the world?", "who is the president?", "how do I tie a tie?",
        "what is the boiling point of water?", "plan a holiday in Italy for me.", "how do I make coffee?",
        "what happened in 1066?", "what is the speed of light?", "explain photosynthesis.", "how do I write a novel?",
        "what is the plot of Macbeth?", "can you do my homework?", "how long does it take to boil an egg?",
        "what does 'carpe diem' mean?", "should I quit my job?", "what is the largest ocean?",
        "name three kinds of cheese.", "how do I change a light bulb?", "who discovered penicillin?",
        "when does spring begin?", "what do owls eat?", "how do I grow tomatoes?", "how do magnets work?",
        "what is the currency of Sweden?", "what films should I watch tonight?",
    ),
    "held out": (
        "what is the capital of Peru?", "who composed the Moonlight Sonata?", "how do I knit a scarf?",
        "what is 12 plus 30?", "tell me a story about a dragon.", "how deep is the ocean?", "why is the sky blue?",
        "who invented the telephone?", "how do I remove a wine stain?", "what is a good name for a cat?",
        "how do bees make honey?", "which team will win on Saturday?",
    ),
}  # fmt: skip

PURPOSE = (
    "I write documentation for the operations of cloud services. Give me a service, an operation and its parameters, "
    "or ask what an operation does."
)
GREETING_ANSWER = f"Hello! {PURPOSE}"
OFF_TOPIC_ANSWER = f"I cannot help with that. {PURPOSE}"
