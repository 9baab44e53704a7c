"""Proves the order by going through all interleavings of small scopes; __main__.py says how, and what it cannot say.

And that the checker can fail: each rule of the protocol, left out, is found.
"""

from collections.abc import Callable

import pytest

from tests.checker.mutants import MUTANTS, Mutant
from tests.checker.scopes import QUICK
from tests.checker.search import Scope, Search


@pytest.mark.parametrize("scope", QUICK, ids=lambda scope: scope.name)
def test_every_interleaving_keeps_the_promises(scope: Scope, record_property: Callable[[str, object], None]):
    """Nothing is lost, nothing overtaken, every sequence ends, whatever comes between which two calls."""
    found = Search(scope).run()

    record_property("states", found.states)
    assert not found.broken, str(found.broken)
    assert found.complete
    assert found.ends
    assert found.interleavings > 1


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.without)
def test_every_rule_left_out_is_found(mutant: Mutant):
    """Without the rule some interleaving breaks a promise, and the checker tells which and how."""
    (scope,) = [scope for scope in QUICK if scope.name == mutant.scope]

    found = Search(scope, mutant.code).run()

    assert found.broken
    assert mutant.broken in found.broken.what
    assert found.broken.history
