"""Composition root: inventory's use cases, ready to call."""

from datetime import timedelta

from contexts.inventory.repositories import DjangoLocations, DjangoStockItems
from contexts.inventory.use_cases import (
    AdjustStock,
    EnsureLocation,
    HoldStock,
    LoadOpeningStock,
    ReleaseExpiredHolds,
    ReleaseStock,
    SecureStock,
    StockNewSkus,
)
from shared.audit.trail import record_change
from shared.persistence.clock import database_time
from shared.persistence.unit_of_work import atomic

SOFT_HOLD = timedelta(minutes=15)

_stock = DjangoStockItems()
_locations = DjangoLocations()

hold_stock = HoldStock(stock=_stock, unit_of_work=atomic, now=database_time, held_for=SOFT_HOLD)
secure_stock = SecureStock(stock=_stock, unit_of_work=atomic, now=database_time)
release_stock = ReleaseStock(stock=_stock, unit_of_work=atomic)
release_expired_holds = ReleaseExpiredHolds(stock=_stock, unit_of_work=atomic, now=database_time)
adjust_stock = AdjustStock(stock=_stock, record_change=record_change, unit_of_work=atomic, now=database_time)
load_opening_stock = LoadOpeningStock(stock=_stock, unit_of_work=atomic, now=database_time)
ensure_location = EnsureLocation(locations=_locations, unit_of_work=atomic)
stock_new_skus = StockNewSkus(stock=_stock, locations=_locations, unit_of_work=atomic, now=database_time)
