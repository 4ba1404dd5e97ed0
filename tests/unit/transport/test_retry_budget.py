"""The retry budget, on its own and with a server that fails, in virtual time."""

import asyncio

import pytest

from piriod_async import APIConnectionError, APITimeoutError, RetryPolicy, ServerError
from piriod_async.transport.attempts import RequestInfo
from piriod_async.transport.limiter import RequestLimiter
from piriod_async.transport.retry import Retrier
from piriod_async.transport.retry_budget import RetryBudget
from tests.support.clock import run_virtual
from tests.support.errors import status_error

REQUEST = RequestInfo(page=1, workspace="acc_1")


async def decode(_):
    return None


def test_withdraw_and_deposit():
    """A retry costs 5 tokens, or 10 after a timeout; its success refunds them, any other success adds one."""
    budget = RetryBudget(tokens=16)
    assert budget.withdraw(APITimeoutError()) == 10
    assert budget.withdraw(APIConnectionError()) == 5
    assert budget.withdraw(APIConnectionError()) is None
    assert budget.tokens == 1
    budget.deposit(10)
    budget.deposit(0)
    assert budget.tokens == 12
    budget.deposit(10_000)
    assert budget.tokens == 500


@pytest.mark.parametrize(("status", "requests"), [(503, 200 + 500 // 5), (500, 300)])
def test_server_down(clock, status, requests):
    """200 requests to a server that is down send 300 attempts: 1,000 without the budget."""
    sent = []

    async def send(attempt_number):
        sent.append(attempt_number)
        await asyncio.sleep(0.01)
        raise status_error(status)

    async def main():
        retrier = Retrier(RetryPolicy(), RequestLimiter(32, asyncio.sleep), RetryBudget())
        calls = (retrier.call(send, decode, request=REQUEST, flow=n) for n in range(200))
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in errors} == {ServerError}
        exhausted = [error for error in errors if error.attempts < 5]
        assert all(error.retry_budget_exhausted for error in exhausted)
        assert not any(error.retry_budget_exhausted for error in errors if error not in exhausted)
        reason = "not retried: the session's retry budget is exhausted)"
        assert exhausted
        assert all(str(error).endswith(reason) for error in exhausted)
        assert str(errors[-1]) == f"GET: {status} (workspace acc_1) ({reason}"
        assert retrier.budget.tokens == 0

    run_virtual(main(), clock)
    assert len(sent) == requests


def test_occasional_failures(clock):
    """A server that fails every third attempt never exhausts the budget."""
    sent = []

    async def send(attempt_number):
        sent.append(attempt_number)
        if len(sent) % 3 == 0:
            raise status_error(500)
        return b""

    async def main():
        retrier = Retrier(RetryPolicy(), RequestLimiter(8, asyncio.sleep), RetryBudget())
        for _ in range(10_000):
            await retrier.call(send, decode, request=REQUEST, flow=None)
        assert retrier.budget.tokens >= 490

    run_virtual(main(), clock)
    assert len(sent) == pytest.approx(15_000, abs=2)
