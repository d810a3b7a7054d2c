"""What sequence tasks ask, answered by plain Python: strings, big integers, dictionaries and recursion."""

import itertools
import math
import statistics

MODULUS = 5


def last(answer):
    """The answer to a whole input stands at its last step."""
    return lambda tokens, text: [(len(tokens) - 1, answer(tokens, text))]


def string(answer):
    """The answer's characters stand behind the input."""
    return lambda tokens, text: [(len(tokens) + j, int(c)) for j, c in enumerate(answer(tokens))]


def solve(text):
    expression, value = text.split("=")
    found = [d for d in range(MODULUS) if eval(expression.replace("x", str(d))) % MODULUS == int(value)]
    (digit,) = found  # one solution only
    return digit


def stack(tokens):
    content = []
    for token in tokens:
        if token == 2:
            content = content[:-1]
        else:
            content.append(token % 3)
    return [*reversed(content), 2]


def missing(tokens):
    half = len(tokens) // 2
    first, second = tokens[:half], tokens[half : 2 * half]
    (pair,) = [pair for pair in zip(first, second) if 2 in pair]
    assert all(a == b for a, b in zip(first, second) if 2 not in (a, b)) and tokens[2 * half :] in ([], [3])
    return min(pair)


def binary(operation):
    def answer(tokens):
        split = tokens.index(2)
        parts = tokens[:split], tokens[split + 1 :]
        numbers = [sum(bit << place for place, bit in enumerate(part)) for part in parts]
        assert min(numbers) > 0
        result = operation(*numbers)
        return [*(result >> place & 1 for place in range(result.bit_length())), 2]

    return answer


def root(tokens):
    number = int("".join(map(str, tokens)), 2)
    assert number > 0
    return bin(math.isqrt(number))[2:].zfill((len(tokens) + 1) // 2)


def product(elements, compose):
    """The product of everything read, the later element after the earlier ones."""

    def answer(tokens, text):
        states = itertools.accumulate((elements[token] for token in tokens), lambda state, new: compose(new, state))
        return [(t, elements.index(state)) for t, state in enumerate(states)]

    return answer


def after(a, b):
    return tuple(a[i] for i in b)


def even(p):
    return sum(a > b for a, b in itertools.combinations(p, 2)) % 2 == 0


def symmetric(degree):
    return list(itertools.permutations(range(degree)))


def alternating(degree):
    return [p for p in symmetric(degree) if even(p)]


def recall(tokens, text):
    """Zoology's definition, by a dictionary."""
    num = 8
    values = dict(zip(tokens[: 2 * num : 2], tokens[1 : 2 * num : 2]))
    assert len(values) == num and len(set(values.values())) == num
    assert all(0 < k < 128 <= v < 256 for k, v in values.items())
    asked = [(t, values[k]) for t, k in enumerate(tokens) if t >= 2 * num and k != 0]
    assert sorted(tokens[t] for t, _ in asked) == sorted(values) and all(t % 2 == 0 for t, _ in asked)
    return asked


def induction(tokens, text):
    special = 15
    first, end = [t for t, token in enumerate(tokens) if token == special]
    assert end == len(tokens) - 1
    return tokens[first + 1]


def delayed(tokens):
    assert all(token == 8 for token in tokens[10:]) and all(token < 8 for token in tokens[:10])
    return tokens[:10]


def listops(text):
    """A recursive evaluator; also the rules of the grammar."""
    words = text.split()

    def read(start, depth):
        if not words[start].startswith("["):
            return int(words[start]), start + 1
        assert depth < 10
        arguments, place = [], start + 1
        while words[place] != "]":
            value, place = read(place, depth + 1)
            arguments.append(value)
        assert 2 <= len(arguments) <= 10
        operator = {
            "[MIN": min,
            "[MAX": max,
            "[MED": lambda values: int(statistics.median(values)),
            "[SM": lambda values: sum(values) % 10,
        }[words[start]]
        return operator(arguments), place + 1

    value, end = read(0, 0)
    assert end == len(words)
    return value


#: name -> a function of one example's real inputs, as tokens and as text: the steps with targets, and the targets.
ANSWERS = {
    "parity": last(lambda tokens, text: tokens.count(1) % 2),
    "even_pairs": last(lambda tokens, text: (text.count("01") + text.count("10")) % 2),
    "cycle_navigation": last(lambda tokens, text: (tokens.count(2) - tokens.count(0)) % 5),
    "sum": last(lambda tokens, text: sum(tokens) % 5),
    "modular_arithmetic": last(lambda tokens, text: eval(text) % MODULUS),
    "modular_arithmetic_brackets": last(lambda tokens, text: eval(text) % MODULUS),
    "solve_equation": last(lambda tokens, text: solve(text)),
    "reverse_string": string(lambda tokens: tokens[::-1]),
    "stack_manipulation": string(stack),
    "duplicate_string": string(lambda tokens: tokens * 2),
    "missing_duplicate_string": last(lambda tokens, text: missing(tokens)),
    "odds_first": string(lambda tokens: tokens[::2] + tokens[1::2]),
    "binary_addition": string(binary(lambda a, b: a + b)),
    "binary_multiplication": string(binary(lambda a, b: a * b)),
    "compute_sqrt": string(root),
    "bucket_sort": string(sorted),
    "s3": product(symmetric(3), after),
    "s4": product(symmetric(4), after),
    "a5": product(alternating(5), after),
    "s5": product(symmetric(5), after),
    "z60": product(list(range(60)), lambda a, b: (a + b) % 60),
    "a4xz5": product(
        list(itertools.product(alternating(4), range(5))), lambda a, b: (after(a[0], b[0]), (a[1] + b[1]) % 5)
    ),
    "mqar": recall,
    "copy": string(lambda tokens: tokens),
    "selective_copy": string(lambda tokens: [token for token in tokens if token != 14]),
    "delayed_copy": string(delayed),
    "induction": last(induction),
    "listops": last(lambda tokens, text: listops(text)),
    "n_parity": last(lambda tokens, text: text[-5:].count("1") % 2),
    "delayed_match": last(lambda tokens, text: int(text[-5] == text[-1])),
}
