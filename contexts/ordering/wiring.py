"""Composition root: ordering's use cases, ready to call."""

from contexts.ordering.gateways import CatalogPriceList, IdentityCustomers, InventoryStock, PaymentsOfOrders
from contexts.ordering.repositories import DjangoCustomerTraces, DjangoOrders, DjangoShippingMethods
from contexts.ordering.sagas import Checkout
from contexts.ordering.use_cases import (
    AddNote,
    CancelOrder,
    ForgetCustomer,
    NotePayment,
    OfferShippingMethod,
    PlaceOrder,
)
from shared.audit.trail import record_change
from shared.persistence.clock import database_time
from shared.persistence.identifiers import new_id
from shared.persistence.unit_of_work import atomic
from shared.saga.registry import register

_orders = DjangoOrders()
_shipping_methods = DjangoShippingMethods()
_stock = InventoryStock()
_payments = PaymentsOfOrders()

checkout = Checkout(orders=_orders, stock=_stock, payments=_payments, now=database_time)

place_order = PlaceOrder(
    orders=_orders,
    prices=CatalogPriceList(),
    shipping_methods=_shipping_methods,
    stock=_stock,
    payments=_payments,
    customers=IdentityCustomers(),
    begin_checkout=register(checkout.saga),
    unit_of_work=atomic,
    new_id=new_id,
    now=database_time,
)
cancel_order = CancelOrder(orders=_orders, record_change=record_change, unit_of_work=atomic, now=database_time)
forget_customer = ForgetCustomer(traces=DjangoCustomerTraces(), unit_of_work=atomic)
add_note = AddNote(orders=_orders, record_change=record_change, unit_of_work=atomic, new_id=new_id, now=database_time)
note_payment = NotePayment(orders=_orders, payments=_payments, unit_of_work=atomic)
offer_shipping_method = OfferShippingMethod(shipping_methods=_shipping_methods, unit_of_work=atomic)
