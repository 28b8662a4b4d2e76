// ccxt, the client most people have, trades on holdfast-venue: REST first, then its WebSocket part.
// Two accounts are the whole market, so every number can be stated.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import ccxt from 'ccxt';

import { MAKER, TAKER, eventually, startVenue, within } from './venue.mjs';

const SYMBOL = 'BTC/USDT';
let venue;

function client(kind, account) {
  const exchange = new kind({
    apiKey: account.apiKey,
    secret: account.secret,
    enableRateLimit: false,
    options: {
      defaultType: 'spot',
      fetchCurrencies: false,
      fetchMargins: false,
      fetchMarkets: { types: ['spot'] },
    },
  });
  const api = exchange.urls.api;
  // Nothing else than the simulated venue may be reached.
  for (const [name, url] of Object.entries(api)) {
    if (typeof url === 'string') api[name] = `${venue.rest}/unused`;
  }
  api.public = `${venue.rest}/api/v3`;
  api.private = `${venue.rest}/api/v3`;
  if (api.ws !== undefined) {
    api.ws.spot = `${venue.streams}/ws`;
    api.ws['ws-api'].spot = venue.wsApi;
  }
  return exchange;
}

before(async () => { venue = await startVenue(); });
after(async () => { await venue?.stop(); });

describe('ccxt over REST', () => {
  let maker;
  let taker;
  before(() => {
    maker = client(ccxt.binance, MAKER);
    taker = client(ccxt.binance, TAKER);
  });

  it('reads markets with their filters', async () => {
    const markets = await maker.loadMarkets();
    const market = markets[SYMBOL];
    assert.equal(market.id, 'BTCUSDT');
    assert.equal(market.precision.price, 0.01);
    assert.equal(market.precision.amount, 0.00001);
    assert.equal(market.limits.cost.min, 5);
    assert.equal(market.active, true);
  });

  it('reads the server time', async () => {
    assert.ok(Math.abs((await maker.fetchTime()) - Date.now()) < 60_000);
  });

  it('places a post-only order with a client id and finds it in the book', async () => {
    const order = await maker.createOrder(SYMBOL, 'limit', 'buy', 0.5, 60_000, {
      postOnly: true, newClientOrderId: 'ccxt-bid-1',
    });
    assert.equal(order.clientOrderId, 'ccxt-bid-1');
    const found = await maker.fetchOrder(order.id, SYMBOL);
    assert.equal(found.status, 'open');
    assert.equal(found.postOnly, true);
    assert.equal(found.price, 60_000);
    assert.equal(found.amount, 0.5);
    const book = await maker.fetchOrderBook(SYMBOL);
    assert.deepEqual(book.bids, [[60_000, 0.5]]);
    assert.deepEqual(book.asks, []);
  });

  it('finds an order by client id', async () => {
    const found = await maker.fetchOrder(undefined, SYMBOL, { origClientOrderId: 'ccxt-bid-1' });
    assert.equal(found.clientOrderId, 'ccxt-bid-1');
  });

  it('is refused a second open order under the same client id', async () => {
    await assert.rejects(
      maker.createOrder(SYMBOL, 'limit', 'buy', 0.5, 59_000, { newClientOrderId: 'ccxt-bid-1' }),
      /"code":-2010,"msg":"Duplicate order sent."/);
  });

  it('is refused a post-only order that would take', async () => {
    await assert.rejects(
      taker.createOrder(SYMBOL, 'limit', 'sell', 0.1, 59_000, { postOnly: true }),
      ccxt.OrderImmediatelyFillable);
  });

  it('is refused what it cannot pay and what violates a filter', async () => {
    await assert.rejects(maker.createOrder(SYMBOL, 'limit', 'buy', 8_000, 60_000),
                         ccxt.InsufficientFunds);
    await assert.rejects(maker.createOrder(SYMBOL, 'limit', 'buy', 0.00001, 50_000),
                         /Filter failure: NOTIONAL/);
  });

  it('lists open orders, trades, and shows fills and balances', async () => {
    assert.equal((await maker.fetchOpenOrders(SYMBOL)).length, 1);
    const taken = await taker.createOrder(SYMBOL, 'market', 'sell', 0.2);
    assert.equal(taken.status, 'closed');
    assert.equal(taken.filled, 0.2);
    assert.equal(taken.average, 60_000);
    const trades = await maker.fetchMyTrades(SYMBOL);
    assert.equal(trades.length, 1);
    assert.equal(trades[0].side, 'buy');
    assert.equal(trades[0].takerOrMaker, 'maker');
    assert.equal(trades[0].amount, 0.2);
    assert.deepEqual({ ...trades[0].fee }, { cost: 0.0002, currency: 'BTC' });
    const publicTrades = await maker.fetchTrades(SYMBOL);
    assert.equal(publicTrades.at(-1).price, 60_000);
    const balance = await maker.fetchBalance();
    assert.equal(balance.BTC.total, 100.1998);
    assert.equal(balance.USDT.used, 0.3 * 60_000);
    const ticker = await maker.fetchTicker(SYMBOL);
    assert.equal(ticker.last, 60_000);
  });

  it('cancels one order, and not twice', async () => {
    const [open] = await maker.fetchOpenOrders(SYMBOL);
    assert.equal(open.remaining, 0.3);
    const canceled = await maker.cancelOrder(open.id, SYMBOL);
    assert.equal(canceled.status, 'canceled');
    await assert.rejects(maker.cancelOrder(open.id, SYMBOL), ccxt.OrderNotFound);
  });

  it('replaces an order', async () => {
    const order = await maker.createOrder(SYMBOL, 'limit', 'buy', 0.1, 58_000);
    const replaced = await maker.editOrder(order.id, SYMBOL, 'limit', 'buy', 0.2, 57_000);
    assert.notEqual(replaced.id, order.id);
    const found = await maker.fetchOrder(replaced.id, SYMBOL);
    assert.equal(found.amount, 0.2);
    assert.equal((await maker.fetchOrder(order.id, SYMBOL)).status, 'canceled');
  });

  it('cancels all, and is told when there is nothing to cancel', async () => {
    await maker.createOrder(SYMBOL, 'limit', 'buy', 0.1, 56_000);
    assert.equal((await maker.cancelAllOrders(SYMBOL)).length, 2);
    assert.deepEqual(await maker.fetchOpenOrders(SYMBOL), []);
    await assert.rejects(maker.cancelAllOrders(SYMBOL), ccxt.OrderNotFound);
  });

  it('is refused with a wrong secret and with an unknown key', async () => {
    const wrong = client(ccxt.binance, { ...MAKER, secret: 'wrong' });
    await assert.rejects(wrong.fetchBalance(), ccxt.AuthenticationError);
    const unknown = client(ccxt.binance, { ...MAKER, apiKey: 'unknown' });
    await assert.rejects(unknown.fetchBalance(), ccxt.AuthenticationError);
  });
});

describe('ccxt over WebSocket', () => {
  let maker;
  let taker;
  before(async () => {
    maker = client(ccxt.pro.binance, MAKER);
    taker = client(ccxt.pro.binance, TAKER);
    for (const exchange of [maker, taker]) {
      await exchange.loadHttpProxyAgent();  // plain ws:// needs its agent loaded
      await exchange.loadMarkets();
    }
  });
  after(async () => {
    await maker.close();
    await taker.close();
  });

  it('keeps an order book by snapshot and differences', async () => {
    const bid = await maker.createOrder(SYMBOL, 'limit', 'buy', 1, 60_000, { postOnly: true });
    const book = await within(10_000, 'order book', maker.watchOrderBook(SYMBOL));
    assert.deepEqual(book.bids[0], [60_000, 1]);
    // Each wait is for the book to show the change, however many events that takes.
    const bookWith = async (predicate) => {
      for (;;) {
        const next = await within(10_000, 'book change', maker.watchOrderBook(SYMBOL));
        if (predicate(next)) return next;
      }
    };
    const changed = bookWith((next) => next.asks.length > 0);
    const ask = await maker.createOrder(SYMBOL, 'limit', 'sell', 2, 60_010, { postOnly: true });
    assert.deepEqual((await changed).asks[0], [60_010, 2]);
    const removed = bookWith((next) => next.asks.length === 0);
    await maker.cancelOrder(ask.id, SYMBOL);
    await removed;
    await maker.cancelOrder(bid.id, SYMBOL);
  });

  it('sees public trades', async () => {
    const bid = await maker.createOrder(SYMBOL, 'limit', 'buy', 1, 60_000, { postOnly: true });
    const trades = within(10_000, 'trades', maker.watchTrades(SYMBOL));
    await eventually('trade subscription', async () =>
      (await venue.control('GET', '/state')).connections.streams > 0);
    // The subscription is confirmed asynchronously; trade until one is seen.
    let seen;
    trades.then((value) => { seen = value; });
    await eventually('a trade', async () => {
      await taker.createOrder(SYMBOL, 'market', 'sell', 0.01);
      return seen;
    });
    assert.equal(seen[0].price, 60_000);
    assert.equal(seen[0].side, 'sell');
    await maker.cancelOrder(bid.id, SYMBOL);
  });

  it('sees its own orders, fills and balances on the user data stream', async () => {
    const orders = [];
    const fills = [];
    let balance;
    let isDone = false;
    const collect = async (watch, keep) => {
      while (!isDone) {
        try {
          keep(await watch());
        } catch (error) {
          if (isDone) return;
          throw error;
        }
      }
    };
    const loops = [
      collect(() => maker.watchOrders(SYMBOL), (rows) => orders.push(...rows.map((o) => ({ ...o })))),
      collect(() => maker.watchMyTrades(SYMBOL), (rows) => fills.push(...rows)),
      collect(() => maker.watchBalance(), (value) => { balance = value; }),
    ];
    await eventually('user stream', async () =>
      (await venue.control('GET', '/state')).connections.wsApi > 0);
    const bid = await eventually('an order event', async () => {
      const order = await maker.createOrder(SYMBOL, 'limit', 'buy', 0.4, 60_000, { postOnly: true });
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (orders.some((seen) => seen.id === order.id && seen.status === 'open')) return order;
      await maker.cancelOrder(order.id, SYMBOL);
      return undefined;
    });
    await taker.createOrder(SYMBOL, 'market', 'sell', 0.1);
    await eventually('the fill', () => fills.some((fill) => fill.order === bid.id));
    const fill = fills.find((row) => row.order === bid.id);
    assert.equal(fill.amount, 0.1);
    assert.equal(fill.takerOrMaker, 'maker');
    await eventually('the balance', () => balance !== undefined && balance.USDT !== undefined);
    await maker.cancelOrder(bid.id, SYMBOL);
    await eventually('the cancel',
                     () => orders.some((seen) => seen.id === bid.id && seen.status === 'canceled'));
    isDone = true;
    await maker.close();
    await Promise.allSettled(loops);
  });

  it('places, queries and cancels over the WebSocket API', async () => {
    const order = await within(10_000, 'order.place', maker.createOrderWs(
      SYMBOL, 'limit', 'buy', 0.1, 59_000, { postOnly: true, newClientOrderId: 'ccxt-ws-1' }));
    assert.equal(order.clientOrderId, 'ccxt-ws-1');
    const found = await within(10_000, 'order.status', maker.fetchOrderWs(order.id, SYMBOL));
    assert.equal(found.status, 'open');
    const open = await within(10_000, 'openOrders.status', maker.fetchOpenOrdersWs(SYMBOL));
    assert.equal(open.length, 1);
    const canceled = await within(10_000, 'order.cancel', maker.cancelOrderWs(order.id, SYMBOL));
    assert.equal(canceled.status, 'canceled');
    await assert.rejects(within(10_000, 'order.cancel', maker.cancelOrderWs(order.id, SYMBOL)),
                         ccxt.OrderNotFound);
    // ccxt hands the spot answer through without picking the balances out of it.
    const balance = await within(10_000, 'account.status', maker.fetchBalanceWs());
    assert.ok(Number(balance.info.balances.find((row) => row.asset === 'BTC').free) > 100);
    const trades = await within(10_000, 'myTrades', maker.fetchMyTradesWs(SYMBOL));
    assert.ok(trades.length > 0);
  });
});
