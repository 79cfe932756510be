"""The composition root of webhooks: ready use cases."""

import random
import secrets

from django.utils import timezone

from contexts.webhooks.domain import AT_ONCE
from contexts.webhooks.gateways import DjangoMailer, HttpSender, IdentityKeys
from contexts.webhooks.queries import published_topics
from contexts.webhooks.repositories import (
    DjangoDeliveries,
    DjangoEndpoints,
    DjangoProgress,
    DjangoReplays,
    OutboxFeed,
)
from contexts.webhooks.sagas import TellingOwner
from contexts.webhooks.use_cases import (
    AddEndpoint,
    AskForReplay,
    ChangeEndpoint,
    ClaimDeliveries,
    DisableOrphans,
    DiscardDelivery,
    FanOut,
    ForgetDeliveries,
    ForgetRemoved,
    FulfilReplays,
    GiveUpOverdue,
    HandOverEndpoints,
    RemoveEndpoint,
    ReplayAsOperator,
    RetryDelivery,
    RotateSecret,
    SendTest,
    SettleAttempts,
    SwitchEndpoint,
    TellOwner,
)
from shared.audit.trail import record_change
from shared.persistence.clock import database_time
from shared.persistence.identifiers import new_id
from shared.persistence.unit_of_work import atomic
from shared.resilience.outbound import outbound
from shared.saga.registry import register

#: Requests of one process that may be under way.
MOST_REQUESTS = 400

_endpoints = DjangoEndpoints()
_deliveries = DjangoDeliveries()
_progress = DjangoProgress()
_replays = DjangoReplays()
_feed = OutboxFeed()

_keys = IdentityKeys()

_telling_owner = TellingOwner(tell_owner=TellOwner(endpoints=_endpoints, mailer=DjangoMailer()))
_tell_owner = register(_telling_owner.saga)

add_endpoint = AddEndpoint(
    endpoints=_endpoints,
    progress=_progress,
    feed=_feed,
    topics=published_topics,
    unit_of_work=atomic,
    now=database_time,
    new_id=new_id,
    random_bytes=secrets.token_bytes,
)
change_endpoint = ChangeEndpoint(
    endpoints=_endpoints,
    deliveries=_deliveries,
    progress=_progress,
    feed=_feed,
    topics=published_topics,
    unit_of_work=atomic,
    now=database_time,
)
remove_endpoint = RemoveEndpoint(endpoints=_endpoints, unit_of_work=atomic, now=database_time)
rotate_secret = RotateSecret(
    endpoints=_endpoints, unit_of_work=atomic, now=database_time, random_bytes=secrets.token_bytes
)
send_test = SendTest(
    endpoints=_endpoints, deliveries=_deliveries, unit_of_work=atomic, now=database_time, new_id=new_id
)
ask_for_replay = AskForReplay(
    endpoints=_endpoints,
    replays=_replays,
    topics=published_topics,
    unit_of_work=atomic,
    now=database_time,
    new_id=new_id,
)
replay_as_operator = ReplayAsOperator(ask_for_replay=ask_for_replay, record_change=record_change, unit_of_work=atomic)
switch_endpoint = SwitchEndpoint(
    endpoints=_endpoints,
    deliveries=_deliveries,
    progress=_progress,
    feed=_feed,
    record_change=record_change,
    unit_of_work=atomic,
    now=database_time,
)
disable_orphans = DisableOrphans(
    endpoints=_endpoints,
    deliveries=_deliveries,
    progress=_progress,
    keys=_keys,
    tell_owner=_tell_owner,
    unit_of_work=atomic,
    now=database_time,
    new_id=new_id,
)
hand_over_endpoints = HandOverEndpoints(endpoints=_endpoints, unit_of_work=atomic)
fan_out = FanOut(
    endpoints=_endpoints,
    deliveries=_deliveries,
    progress=_progress,
    feed=_feed,
    unit_of_work=atomic,
    now=database_time,
)
fulfil_replays = FulfilReplays(
    deliveries=_deliveries, replays=_replays, feed=_feed, unit_of_work=atomic, now=database_time
)
claim_deliveries = ClaimDeliveries(deliveries=_deliveries, feed=_feed, unit_of_work=atomic, now=database_time)
settle_attempts = SettleAttempts(
    endpoints=_endpoints,
    deliveries=_deliveries,
    progress=_progress,
    tell_owner=_tell_owner,
    unit_of_work=atomic,
    now=database_time,
    new_id=new_id,
    chance=random.random,
)
give_up_overdue = GiveUpOverdue(deliveries=_deliveries, unit_of_work=atomic, now=database_time)
forget_deliveries = ForgetDeliveries(deliveries=_deliveries, unit_of_work=atomic, now=database_time)
forget_removed = ForgetRemoved(endpoints=_endpoints, unit_of_work=atomic, now=database_time)
retry_delivery = RetryDelivery(
    deliveries=_deliveries, endpoints=_endpoints, record_change=record_change, unit_of_work=atomic, now=database_time
)
discard_delivery = DiscardDelivery(
    deliveries=_deliveries, record_change=record_change, unit_of_work=atomic, now=database_time
)
#: Signs by the clock of its machine: the database is not asked while others wait for their turn.
sender = HttpSender(outbound=outbound, at_once=AT_ONCE, now=timezone.now)
