"""Reinforcement learning with curriculum sampling: which prompts the next iteration asks, by what the last ones showed (paper 5.3).

``start`` makes a state from a table of prompts, ``draw_batch`` says what to ask, ``record`` takes in what came of it. All three are pure:
a batch drawn twice from one state is the same batch, and only ``record`` goes on. The paper gives the mechanism and no number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from schemas.batches import draw
from schemas.questions import TIERS
from synth.pass_rate import Grading
from synth.quotas import least_asked, quotas

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mixture:
    """What share of every batch each domain has, fixed for a whole run (paper 5.3: by pilots, for difficulty, headroom and tokens)."""

    shares: tuple[tuple[str, float], ...]
    """Domains by name, and their shares, which sum to 1."""

    @classmethod
    def of(cls, proportions: Mapping[str, float]) -> "Mixture":
        """Return the mixture in these proportions, of any sum; raises ``ValueError`` for a negative one or none above 0."""
        total = sum(proportions.values())
        if not proportions or min(proportions.values()) < 0 or total <= 0:
            raise ValueError(f"a mixture needs proportions of at least 0, one of them above; found {dict(proportions)}")
        return cls(tuple((domain, proportions[domain] / total) for domain in sorted(proportions)))

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains, sorted."""
        return tuple(domain for domain, _ in self.shares)


@dataclass(frozen=True, slots=True)
class Curriculum:
    """The numbers of the curriculum, all of them ours."""

    mixture: Mixture
    groups: int = 64
    """Prompts that an iteration trains on; more are asked, by the expansion ratio."""
    seed: int = 0
    grading: Grading = field(default_factory=Grading)
    offline_weight: float = 4.0
    """Rollouts that the offline grade of a prompt counts as."""
    keep: float = 0.5
    """What is left of a prompt's older rollouts, its offline grade among them, each time that it is asked again."""
    tier_weight: float = 16.0
    """Rollouts that the middle of a tier counts as, before any of its prompts was asked."""
    tier_keep: float = 0.8
    """What is left of a tier's older rollouts after an iteration that asked some of it."""
    centre: float = 0.5
    """Pass rate at which a tier has its full weight."""
    width: float = 0.15
    """Distance from the centre at which the bell has fallen to 0.61."""
    floor: float = 0.02
    """Weight that no tier falls below; what looks solved or hopeless is looked at again."""
    ratio_keep: float = 0.8
    """Decay of the expansion ratio's moving average."""
    most_expansion: float = 8.0
    """Expansion ratio at most, also where no group of an iteration was mixed."""

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing."""
        shares = (self.keep, self.tier_keep, self.ratio_keep)
        sizes = (self.width, self.floor, self.offline_weight, self.tier_weight)
        if not all(0 <= share < 1 for share in shares) or self.groups < 1 or min(sizes) <= 0 or self.floor > 1 or self.most_expansion < 1:
            raise ValueError(
                f"decays lie in [0, 1), the floor in (0, 1], groups and expansion at 1 and above, the rest above 0: found {self}"
            )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking a prompt, in training or in a pilot."""

    sample_id: str
    n: int
    """Rollouts with a verdict; 0 where all failed."""
    correct: int

    def __post_init__(self) -> None:
        """Refuse counts that cannot be."""
        if not 0 <= self.correct <= self.n:
            raise ValueError(f"an outcome has 0 <= correct <= n, found {self}")


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """All prompts, sorted by id; each array has shape (prompts,)."""

    ids: tuple[str, ...]
    domain: Ints
    """Place among the mixture's domains."""
    tier: Ints
    """Place in ``TIERS``: the offline tier until the prompt is asked, then by offline and online rollouts together."""
    n: Floats
    """Rollouts that the tier rests on, older ones faded."""
    correct: Floats
    """Those among them that passed."""
    asked: Ints
    """Iterations that asked it."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All that the next batch depends on. Two states are the same where ``state_file.dumps`` gives the same bytes."""

    settings: Curriculum
    iteration: int
    """Iterations that were recorded."""
    expansion: float
    """Moving average of the expansion ratio; 2 at first, as if half of the groups were mixed (ours)."""
    tier_n: Floats
    """Rollouts of each domain and tier, older ones faded, shape (domains, 5)."""
    tier_correct: Floats
    """Those among them that passed, shape (domains, 5)."""
    prompts: Prompts


def start(
    settings: Curriculum,
    ids: Sequence[str],
    domains: Sequence[str],
    tiers: Sequence[str],
    n_samples: Sequence[int],
    n_correct: Sequence[int],
) -> State:
    """Return the state before the first iteration, from the columns of an RL table, one value a prompt.

    The offline tier stands as it is, labels by people included. A prompt's offline pass rate, moved into the band of its tier where a
    label put it elsewhere, counts as ``offline_weight`` rollouts; without rollouts that rate is the middle of the band. Raises
    ``ValueError`` for ids that occur twice, tiers that are none, domains that the mixture lacks, and shares of it without a prompt.
    """
    names = settings.mixture.domains
    _check(settings.mixture, ids, domains)
    order = sorted(range(len(ids)), key=ids.__getitem__)
    offline = np.array([_offline_rate(settings.grading, tiers[i], n_samples[i], n_correct[i]) for i in order], np.float64)
    middles = np.array([settings.grading.middle(tier) for tier in TIERS])
    weight = np.full((len(names), len(TIERS)), settings.tier_weight, np.float64)
    prompts = Prompts(
        ids=tuple(ids[i] for i in order),
        domain=np.array([names.index(domains[i]) for i in order], np.int64),
        tier=np.array([TIERS.index(tiers[i]) for i in order], np.int64),
        n=np.full(len(ids), settings.offline_weight, np.float64),
        correct=settings.offline_weight * offline,
        asked=np.zeros(len(ids), np.int64),
    )
    return State(settings, 0, min(2.0, settings.most_expansion), weight, weight * middles, prompts)


def _check(mixture: Mixture, ids: Sequence[str], domains: Sequence[str]) -> None:
    if len({*ids}) != len(ids):
        raise ValueError(f"{len(ids) - len({*ids})} prompts have the id of another: merge exact duplicates before the curriculum")
    if unknown := {*domains} - {*mixture.domains}:
        raise ValueError(f"the mixture has no share for {sorted(unknown)}: give each domain one, 0 to leave it out")
    if empty := {domain for domain, share in mixture.shares if share > 0} - {*domains}:
        raise ValueError(f"the mixture has a share for {sorted(empty)}, of which there is no prompt")


def _offline_rate(grading: Grading, tier: str, n: int, correct: int) -> float:
    low, high = grading.band(tier)
    rate = (correct + grading.prior) / (n + 2 * grading.prior) if n else (low + high) / 2
    return min(max(rate, low), high)


def tier_weights(state: State) -> Floats:
    """Return how much likelier a prompt of each domain and tier is drawn than by chance, shape (domains, 5), from ``floor`` to 1.

    A bell over the tier's present pass rate: solved and hopeless tiers fall to the floor (paper 5.3: down-sample the trivial and the
    currently too hard; bell and floor are ours).
    """
    s = state.settings
    bell = np.exp(-0.5 * ((state.tier_correct / state.tier_n - s.centre) / s.width) ** 2)
    return s.floor + (1 - s.floor) * bell


def domain_quotas(state: State) -> Ints:
    """Return how many groups of each domain this iteration trains on, shape (domains,), summing to ``groups``.

    Within one of the exact share in every iteration, and the share itself over many: rounding is by one draw an iteration.
    """
    s = state.settings
    shares = np.array([share for _, share in s.mixture.shares])
    return quotas(shares, s.groups, float(draw(s.seed, [f"domains:{state.iteration}"])[0]))


def draw_batch(state: State) -> list[str]:
    """Return the ids to ask in this iteration: for each domain its quota times the expansion ratio, rounded up, by weighted tiers.

    No prompt twice in a batch, so a domain with too few prompts asks all of them. Within a domain and tier those come first that were
    asked least often, and among these a draw by seed, id and that number decides: no repetition before a tier is through, then the next
    round in another order (ours). The number of rollouts is known before any is made.
    """
    weights, wanted = tier_weights(state), np.ceil(domain_quotas(state) * state.expansion - 1e-9).astype(np.int64)
    return [sample for d, share in enumerate(wanted.tolist()) for sample in _draw_domain(state, d, share, weights[d])]


def _draw_domain(state: State, domain: int, wanted: int, weights: Floats) -> list[str]:
    s, p = state.settings, state.prompts
    members = [np.flatnonzero((p.domain == domain) & (p.tier == tier)) for tier in range(len(TIERS))]
    sizes = np.array([len(found) for found in members], np.int64)
    offset = float(draw(s.seed, [f"tiers:{state.iteration}:{s.mixture.domains[domain]}"])[0])
    counts = quotas(sizes * weights, wanted, offset, sizes)
    chosen = [
        found[least_asked(s.seed, [p.ids[i] for i in found], p.asked[found], int(k))] for found, k in zip(members, counts, strict=True)
    ]
    return [p.ids[i] for places in chosen for i in places.tolist()]


def expansion_ratio(not_valid: float, most: float = 8.0) -> float:
    """Return how many prompts to ask for each that is trained on, when ``not_valid`` of them are all right or all wrong, in [1, most].

    1 / (1 - not_valid): 2 at 0.5, 5 at 0.8 (paper 5.3). ``most`` (ours) is also the answer at 1, where the formula has none.
    """
    if not 0 <= not_valid <= 1:
        raise ValueError(f"a rate lies in [0, 1], found {not_valid}")
    return most if not_valid >= 1 - 1 / most else 1 / (1 - not_valid)


def record(state: State, outcomes: Sequence[Outcome]) -> State:
    """Return the state after an iteration with these outcomes, one for each prompt that was asked, trained on or not.

    Prompts without an outcome stay as they are and are drawn again; an outcome of 0 rollouts counts as asked and tells nothing. The order
    of outcomes does not matter. Raises ``ValueError`` for prompts that the state lacks or that come twice.
    """
    s = state.settings
    places = places_of(state.prompts, [outcome.sample_id for outcome in outcomes])
    learnt = learn(state, places, outcomes, faded=True)
    asked = learnt.prompts.asked.copy()
    asked[places] += 1
    expansion = s.ratio_keep * state.expansion + (1 - s.ratio_keep) * _ratio_now(state, outcomes)
    return replace(learnt, iteration=state.iteration + 1, expansion=expansion, prompts=replace(learnt.prompts, asked=asked))


def _ratio_now(state: State, outcomes: Sequence[Outcome]) -> float:
    """Return this iteration's own ratio; that of the average where no outcome tells anything."""
    told = [outcome for outcome in outcomes if outcome.n]
    if not told:
        return state.expansion
    return expansion_ratio(sum(outcome.correct in (0, outcome.n) for outcome in told) / len(told), state.settings.most_expansion)


def learn(state: State, places: Ints, outcomes: Sequence[Outcome], *, faded: bool) -> State:
    """Return ``state`` with the tiers of the prompts at ``places``, shape (outcomes,), and the rates of tiers brought up to date.

    What was known before fades by ``keep`` for a prompt and ``tier_keep`` for a tier, where ``faded``; the new rollouts come on top. That
    is a Beta posterior with forgetting, and its mean a moving average. A tier's rate takes in what its prompts did under the tier that
    they were drawn from.
    """
    s, p = state.settings, state.prompts
    n = np.array([outcome.n for outcome in outcomes], np.float64)
    correct = np.array([outcome.correct for outcome in outcomes], np.float64)
    kept = np.where(n > 0, s.keep, 1.0) if faded else np.ones(len(n))
    new_n, new_correct, tier = p.n.copy(), p.correct.copy(), p.tier.copy()
    new_n[places] = p.n[places] * kept + n
    new_correct[places] = p.correct[places] * kept + correct
    told = places[n > 0]
    tier[told] = s.grading.places(new_n[told], new_correct[told])
    cells = (p.domain[places], p.tier[places])
    tier_n, tier_correct = np.zeros_like(state.tier_n), np.zeros_like(state.tier_n)
    np.add.at(tier_n, cells, n)
    np.add.at(tier_correct, cells, correct)
    tier_kept = np.where(tier_n > 0, s.tier_keep, 1.0) if faded else 1.0
    return replace(
        state,
        tier_n=state.tier_n * tier_kept + tier_n,
        tier_correct=state.tier_correct * tier_kept + tier_correct,
        prompts=replace(p, n=new_n, correct=new_correct, tier=tier),
    )


def places_of(prompts: Prompts, ids: Sequence[str]) -> Ints:
    """Return the places of ``ids``, shape (len(ids),); raises ``ValueError`` for one that is unknown or comes twice."""
    known = np.array(prompts.ids, dtype=np.str_)
    places = np.minimum(np.searchsorted(known, np.array(ids, dtype=np.str_)), max(len(known) - 1, 0)).astype(np.int64)
    strange = [sample for sample, place in zip(ids, places.tolist(), strict=True) if not len(known) or prompts.ids[place] != sample]
    if strange:
        raise ValueError(f"{len(strange)} outcomes are of prompts that the state lacks, such as {strange[0]!r}: is it another table's?")
    if len({*ids}) != len(ids):
        raise ValueError("a prompt has two outcomes in one iteration: sum its rollouts into one")
    return places
