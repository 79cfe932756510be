"""What can be done about webhooks: one callable per verb."""

from contexts.webhooks.use_cases.endpoints import (
    AddEndpoint,
    AskForReplay,
    ChangeEndpoint,
    DisableOrphans,
    HandOverEndpoints,
    RemoveEndpoint,
    ReplayAsOperator,
    RotateSecret,
    SendTest,
    SwitchEndpoint,
)
from contexts.webhooks.use_cases.sending import (
    ClaimDeliveries,
    DiscardDelivery,
    FanOut,
    ForgetDeliveries,
    ForgetRemoved,
    FulfilReplays,
    GiveUpOverdue,
    RetryDelivery,
    SettleAttempts,
    TellOwner,
)

__all__ = [
    "AddEndpoint",
    "AskForReplay",
    "ChangeEndpoint",
    "ClaimDeliveries",
    "DisableOrphans",
    "DiscardDelivery",
    "FanOut",
    "ForgetDeliveries",
    "ForgetRemoved",
    "FulfilReplays",
    "GiveUpOverdue",
    "HandOverEndpoints",
    "RemoveEndpoint",
    "ReplayAsOperator",
    "RetryDelivery",
    "RotateSecret",
    "SendTest",
    "SettleAttempts",
    "SwitchEndpoint",
    "TellOwner",
]
