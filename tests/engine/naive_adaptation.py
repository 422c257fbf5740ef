"""The parameters of the adaptive sampler as the page with their formulas has them: arrays, logarithms, no grid."""

import numpy as np

HALF_LIVES = (1.25, 10.0, 40.0)


def falling(periods: int, weeks: float, half_life: float) -> np.ndarray:
    """Weights 2^(-age / half-life), oldest first."""
    weights: np.ndarray = 2.0 ** (-weeks * np.arange(periods)[::-1] / half_life)
    return weights


def log_likelihood(history: np.ndarray, weeks: float, half_lives: tuple[float, ...]) -> float:
    """Predict sqrt(x + 3/8) from the seventh period on by the mean of weighted means, the variance found afterwards."""
    roots = np.sqrt(history + 0.375)
    errors, spreads = [], []
    for now in range(6, len(roots)):
        before = [falling(now, weeks, half_life) for half_life in half_lives]
        prediction = np.mean([np.average(roots[:now], weights=weights) for weights in before])
        spreads.append(1 + np.mean([(weights**2).sum() / weights.sum() ** 2 for weights in before]))
        errors.append(roots[now] - prediction)
    v = np.array(spreads)
    variance = np.mean(np.array(errors) ** 2 / v)
    return float(-len(v) / 2 * np.log(variance + 1e-6) - np.log(v).sum() / 2)


def parameters(history: np.ndarray, weeks: float) -> dict[str, float]:
    """q, n_eff, A, sigma and the standard deviation of the start."""
    size = len(history)
    known = size * weeks
    gain = 0.0
    if size > 8:
        gain = log_likelihood(history, weeks, HALF_LIVES) - log_likelihood(history, weeks, (1e15,))
    q = 1 / (1 + np.exp(2 + 2 * gain - known / 20))
    worth = 1 / (weights(history, weeks, q) ** 2).sum()
    volatility = history.std() / history.mean()
    rho = (volatility / 0.75) ** (0.6 * known / (known + 13)) if volatility else 1.0
    return {
        "stability": q,
        "size": worth,
        "concentration": (0.25 * (1 - q) + 0.5 * q) * worth,
        "sigma": (0.125 * (1 - q) + 0.045 * q) * rho,
        "start": np.sqrt(0.5 / known) * rho,
    }


def weights(history: np.ndarray, weeks: float, q: float) -> np.ndarray:
    """(1 - q) e + q / n."""
    each = [falling(len(history), weeks, half_life) for half_life in HALF_LIVES]
    memory: np.ndarray = np.mean([part / part.sum() for part in each], axis=0)
    return (1 - q) * memory + q / len(history)


def of_days(days: np.ndarray, week: int, classes: np.ndarray) -> dict[str, float]:
    """The parameters of days: those of the sums of whole weeks, with an urn as uncertain as one of weeks."""
    rows = days[len(days) % week :].reshape(-1, week)
    learnt = parameters(rows.sum(axis=1), 1.0)
    each = weights(rows.sum(axis=1), 1.0, learnt["stability"])
    spread = np.average(rows.sum(axis=1) ** 2, weights=each) - np.average(rows.sum(axis=1), weights=each) ** 2
    weighed = np.concatenate([np.repeat(each[:1], len(days) % week), np.repeat(each, week)])
    labels = np.unique(classes)
    apart = 0.0
    for label in labels:
        of_class, own = days[classes == label], weighed[classes == label]
        apart += np.average(of_class**2, weights=own) - np.average(of_class, weights=own) ** 2
    days_to_a_class = week / len(labels)
    learnt["concentration"] *= days_to_a_class**2 * apart / spread if spread > 1e-9 else days_to_a_class
    learnt["start"] = np.hypot(learnt["start"], 0.28 if len(labels) > 1 else 0.0)
    return learnt
