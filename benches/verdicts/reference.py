#!/usr/bin/env python3
"""Writes tests/fixtures/statistics.json: what scipy and statsmodels make of random samples, for
tests/statistics to hold crates/statistics against.

    python3 benches/verdicts/reference.py > tests/fixtures/statistics.json

Wants numpy, scipy, statsmodels and mpmath; the file says which versions wrote it. Where scipy has the test
(Welch's t-test, the one-sample test, the pooled test that the prediction interval is) the numbers are its
own; where it has not (a reading error, a contrast), the formula is written out here once more, on
scipy's t distribution, which is itself held against mpmath in 50 digits.
"""

import json

import mpmath
import numpy
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_ind

mpmath.mp.dps = 50
random = numpy.random.default_rng(20151210)


def main():
    cases = {
        "versions": {
            module.__name__: module.__version__ for module in (numpy, scipy, statsmodels, mpmath)
        },
        "tails": tails(),
        "quantiles": quantiles(),
        "samples": samples(),
        "welch": [welch() for _ in range(60)],
        "one_sample": [one_sample() for _ in range(40)],
        "prediction": [prediction() for _ in range(40)],
        "reading_error": [reading_error() for _ in range(40)],
        "contrast": [contrast() for _ in range(40)],
        "holm": [holm() for _ in range(30)],
    }
    # One case a line, every float with all of its digits.
    parts = []
    for name, part in cases.items():
        if isinstance(part, list):
            lines = ",\n".join(json.dumps(case, allow_nan=False) for case in part)
            parts.append(f"{json.dumps(name)}: [\n{lines}\n]")
        else:
            parts.append(f"{json.dumps(name)}: {json.dumps(part)}")
    print("{\n" + ",\n".join(parts) + "\n}")


# Degrees of freedom: whole, fractional as Satterthwaite gives them, and very many.
DEGREES = [
    1, 1.3, 2, 2.71, 3, 4, 4.5, 5.37, 8, 9.99, 17.2, 30, 50.5, 100, 150.25, 200, 300.7,
    999, 1001, 3000, 12345.6, 1e6,
]


def exact_tail(t, df):
    """The tail in 50 digits."""
    t, df = mpmath.mpf(t), mpmath.mpf(df)
    if t < 0:
        return 1 - exact_tail(-t, df)
    return mpmath.betainc(df / 2, mpmath.mpf(1) / 2, 0, df / (df + t * t), regularized=True) / 2


def tails():
    """mpmath's, with which scipy's must agree but for t near zero, where scipy's rounds."""
    cases = []
    for df in DEGREES:
        for t in [0, 1e-9, 1e-4, 0.1, 0.7, 1, 1.7, 1.8, 2.5, 4, 7, 12, 40, 1e3, -0.3, -2, -9]:
            tail = float(exact_tail(t, df))
            assert abs(stats.t.sf(t, df) - tail) <= 1e-12 * tail or 0 < t < 1e-3
            cases.append({"t": t, "df": df, "tail": tail})
    for t in [0, 0.5, 1.96, 3, 8, 20, -1]:
        cases.append({"t": t, "df": None, "tail": float(stats.norm.sf(t))})
    return cases


def quantiles():
    """scipy's, put right to the last digits."""
    cases = []
    for df in DEGREES:
        for tail in [0.49, 0.4, 0.25, 0.1, 0.05, 0.025, 0.005, 1e-4, 1e-8, 0.75, 0.975]:
            quantile = float(stats.t.isf(tail, df))
            off = exact_tail(quantile, df) - mpmath.mpf(tail)
            assert abs(off) < 1e-11 * tail
            # One step of Newton's method takes out the rest.
            quantile += float(off / stats.t.pdf(quantile, df))
            cases.append({"tail": tail, "df": df, "quantile": quantile})
    for tail in [0.4, 0.025, 1e-6]:
        cases.append({"tail": tail, "df": None, "quantile": float(stats.norm.isf(tail))})
    return cases


def runs(n, mean, std):
    """Test errors in percent, as 10,000 images give them."""
    return [float(run) for run in numpy.round(random.normal(mean, std, n), 2)]


def samples():
    cases = []
    for _ in range(20):
        n = int(random.integers(2, 12))
        values = runs(n, random.uniform(5, 15), random.uniform(0.05, 0.5))
        if len(set(values)) == 1:
            continue
        interval = stats.ttest_1samp(values, 0).confidence_interval(0.9)
        cases.append({
            "values": values,
            "mean": float(numpy.mean(values)),
            "std": float(numpy.std(values, ddof=1)),
            "interval90": [float(interval.low), float(interval.high)],
        })
    return cases


def two_samples():
    """Two samples of different size and spread, with means that are near to each other or not."""
    first = runs(int(random.integers(2, 12)), 8, random.uniform(0.05, 0.5))
    second = runs(int(random.integers(2, 12)), 8 + random.choice([0, 0.2, 0.5, 1]), random.uniform(0.05, 0.5))
    if len(set(first)) == 1 or len(set(second)) == 1:
        return two_samples()
    return first, second


def degrees(satterthwaite, dfs):
    """Satterthwaite's, or the least where that is too lenient (crates/statistics/src/estimate.rs says when)."""
    few = min(dfs) < max(dfs) and (min(dfs) < 4 or max(dfs) == numpy.inf)
    return float(min(dfs)) if few else float(satterthwaite)


def welch_with_degrees(first, second, alternative):
    """scipy's p-value; where other degrees of freedom are to be taken, of its statistic by hand."""
    test = stats.ttest_ind(first, second, equal_var=False, alternative=alternative)
    df = degrees(test.df, [len(first) - 1, len(second) - 1])
    if df == test.df:
        return float(test.pvalue)
    tail = {
        "greater": lambda t: stats.t.sf(t, df),
        "less": lambda t: stats.t.cdf(t, df),
        "two-sided": lambda t: 2 * stats.t.sf(abs(t), df),
    }
    return float(tail[alternative](test.statistic))


def welch():
    first, second = two_samples()
    margin = float(random.choice([0.1, 0.25, 0.5, 1]))
    two_sided = stats.ttest_ind(first, second, equal_var=False)
    df = degrees(two_sided.df, [len(first) - 1, len(second) - 1])
    difference = numpy.mean(first) - numpy.mean(second)
    error = difference / two_sided.statistic
    half = stats.t.isf(0.025, df) * error
    lower = [run + margin for run in first]
    upper = [run - margin for run in first]
    tost = max(
        welch_with_degrees(lower, second, "greater"), welch_with_degrees(upper, second, "less")
    )
    if df == two_sided.df:
        interval = two_sided.confidence_interval(0.95)
        assert abs(interval.low - (difference - half)) < 1e-12
        theirs = ttost_ind(numpy.array(first), numpy.array(second), -margin, margin, usevar="unequal")[0]
        assert abs(theirs - tost) < 1e-10 * theirs + 1e-15
        tost = theirs
    return {
        "first": first,
        "second": second,
        "margin": margin,
        "df": df,
        "standard_error": float(error),
        "interval": [float(difference - half), float(difference + half)],
        "two_sided": welch_with_degrees(first, second, "two-sided"),
        "greater": welch_with_degrees(first, second, "greater"),
        "less": welch_with_degrees(first, second, "less"),
        "tost": float(tost),
    }


def one_sample():
    values, _ = two_samples()
    number = float(numpy.round(random.uniform(7.5, 8.5), 2))
    return {
        "values": values,
        "number": number,
        "greater": float(stats.ttest_1samp(values, number, alternative="greater").pvalue),
        "less": float(stats.ttest_1samp(values, number, alternative="less").pvalue),
        "interval": [float(end) - number for end in stats.ttest_1samp(values, number).confidence_interval(0.95)],
    }


def prediction():
    """A single published run: the pooled t-test, to whose spread a sample of one adds nothing."""
    values, _ = two_samples()
    published = float(numpy.round(random.uniform(7, 9), 2))
    margin = float(random.choice([0.25, 0.5, 1]))
    mean, std, n = numpy.mean(values), numpy.std(values, ddof=1), len(values)

    def test(shift, alternative):
        result = stats.ttest_ind_from_stats(
            mean, std, n, published + shift, 0, 1, equal_var=True, alternative=alternative
        )
        return float(result.pvalue)

    return {
        "values": values,
        "published": published,
        "margin": margin,
        "two_sided": test(0, "two-sided"),
        "tost": max(test(-margin, "greater"), test(margin, "less")),
    }


def by_formula(value, variances, dfs):
    """Standard error and degrees of freedom of a sum of independent parts."""
    variances, dfs = numpy.array(variances), numpy.array(dfs)
    error = numpy.sqrt(variances.sum())
    satterthwaite = variances.sum() ** 2 / (variances**2 / dfs).sum()
    return value, error, degrees(satterthwaite, dfs[(variances > 0) | (dfs < numpy.inf)])


def above(estimate, bound):
    value, error, df = estimate
    return float(stats.t.sf((value - bound) / error, df))


def below(estimate, bound):
    value, error, df = estimate
    return float(stats.t.cdf((value - bound) / error, df))


def reading_error():
    """Published without a spread, over one run or more, with a reading error or none."""
    values, _ = two_samples()
    n = len(values)
    published = float(numpy.round(random.uniform(7, 9), 2))
    margin = float(random.choice([0.25, 0.5, 1]))
    number = int(random.choice([1, 1, 3, 5]))
    reading = float(random.choice([0, 0.05, 0.15]))
    shared = numpy.var(values, ddof=1) * (1 / n + 1 / number)
    estimate = by_formula(numpy.mean(values) - published, [shared, reading**2], [n - 1, numpy.inf])
    value, error, df = estimate
    return {
        "values": values,
        "published": published,
        "runs": number,
        "reading_error": reading,
        "margin": margin,
        "df": float(df),
        "two_sided": float(2 * stats.t.sf(abs(value) / error, df)),
        "tost": max(above(estimate, -margin), below(estimate, margin)),
    }


def contrast():
    groups = []
    while not groups or any(len(set(group)) == 1 for group in groups):
        step = random.choice([-0.4, -0.2, 0, 0.2])
        groups = [
            runs(int(random.integers(2, 8)), 8 + step * place, random.uniform(0.05, 0.4))
            for place in range(int(random.integers(2, 6)))
        ]
    margin = float(random.choice([0, 0.25, 0.5]))
    ranks = numpy.arange(len(groups)) - (len(groups) - 1) / 2
    weights = ranks / (ranks**2).sum()
    means = numpy.array([numpy.mean(group) for group in groups])
    variances = [numpy.var(group, ddof=1) / len(group) for group in groups]
    slope = by_formula(
        (weights * means).sum(), weights**2 * variances, [len(group) - 1 for group in groups]
    )
    rises = [(numpy.mean(b) - numpy.mean(a), a, b) for a, b in zip(groups, groups[1:])]

    def neighbour(a, b, shift, alternative):
        shifted = [run - shift for run in b]
        return welch_with_degrees(shifted, a, alternative)

    falls = max([below(slope, 0)] + [neighbour(a, b, margin, "less") for _, a, b in rises])
    up = min([above(slope, 0)] + [neighbour(a, b, 0, "greater") for _, a, b in rises])
    if len(groups) == 2:
        # With two groups the contrast is Welch's test.
        assert abs(below(slope, 0) - neighbour(*groups, 0, "less")) < 1e-12
    return {
        "groups": groups,
        "margin": margin,
        "slope": float(slope[0]),
        "standard_error": float(slope[1]),
        "df": float(slope[2]),
        "confirm": falls,
        "refute": min(1.0, up * len(groups)),
    }


def holm():
    p_values = random.uniform(0, 1, int(random.integers(1, 15))) ** random.choice([1, 4])
    if len(p_values) > 3:
        p_values[1] = p_values[2]
    return {
        "p_values": [float(p) for p in p_values],
        "corrected": [float(p) for p in multipletests(p_values, method="holm")[1]],
    }


if __name__ == "__main__":
    main()
