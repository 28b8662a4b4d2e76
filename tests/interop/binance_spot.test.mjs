// The venue's official client trades on holdfast-venue: REST signed with HMAC, REST and WebSocket
// API signed with Ed25519, a logged-on session, and the public streams.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { Spot } from '@binance/spot';

import { ED25519_KEY, MAKER, TAKER, eventually, startVenue, within } from './venue.mjs';

const SYMBOL = 'BTCUSDT';
let venue;

before(async () => { venue = await startVenue(); });
after(async () => { await venue?.stop(); });

function restClient(account) {
  return new Spot({
    configurationRestAPI: {
      apiKey: account.apiKey, apiSecret: account.secret, basePath: venue.rest, retries: 0,
    },
  }).restAPI;
}

function restClientEd25519() {
  return new Spot({
    configurationRestAPI: {
      apiKey: ED25519_KEY, privateKey: venue.privateKeyPem, basePath: venue.rest, retries: 0,
    },
  }).restAPI;
}

async function data(promise) {
  return (await within(10_000, 'answer', promise)).data();
}

function bid(clientId, price, quantity = 0.5) {
  return {
    symbol: SYMBOL, side: 'BUY', type: 'LIMIT_MAKER', quantity, price, newClientOrderId: clientId,
  };
}

function failsWith(message) {
  return (error) => {
    assert.match(String(error.message ?? error.msg), message);
    return true;
  };
}

describe('@binance/spot over REST', () => {
  let maker;
  let taker;
  before(() => {
    maker = restClient(MAKER);
    taker = restClient(TAKER);
  });

  it('reads time, markets and the (empty) book', async () => {
    await within(10_000, 'ping', maker.ping());
    assert.ok(Math.abs(Number((await data(maker.time())).serverTime) - Date.now()) < 60_000);
    const info = await data(maker.exchangeInfo({ symbol: SYMBOL }));
    const filters = Object.fromEntries(
      info.symbols[0].filters.map((filter) => [filter.filterType, filter]));
    assert.equal(filters.PRICE_FILTER.tickSize, '0.01000000');
    assert.equal(filters.LOT_SIZE.stepSize, '0.00001000');
    assert.equal(filters.NOTIONAL.minNotional, '5.00000000');
    const book = await data(maker.depth({ symbol: SYMBOL }));
    assert.deepEqual([book.bids, book.asks], [[], []]);
  });

  it('places a post-only order with a client id; rate limits are reported', async () => {
    const response = await within(10_000, 'order', maker.newOrder(
      { ...bid('official-1', 60_000), newOrderRespType: 'RESULT' }));
    const order = await response.data();
    assert.equal(order.clientOrderId, 'official-1');
    assert.equal(order.status, 'NEW');
    assert.equal(order.price, '60000.00000000');
    assert.ok(response.rateLimits.some((limit) => limit.rateLimitType === 'REQUEST_WEIGHT'));
    assert.ok(response.rateLimits.some((limit) => limit.rateLimitType === 'ORDERS'));
  });

  it('is refused the same client id while the first order is open', async () => {
    await assert.rejects(maker.newOrder(bid('official-1', 59_000)),
                         failsWith(/^Duplicate order sent\.$/));
  });

  it('gets a second order under the id of one that has ended', async () => {
    const first = await data(maker.newOrder(bid('official-again', 50_000)));
    await data(maker.deleteOrder({ symbol: SYMBOL, origClientOrderId: 'official-again' }));
    const second = await data(maker.newOrder(bid('official-again', 50_000)));
    assert.notEqual(second.orderId, first.orderId);
    const latest = await data(maker.getOrder({ symbol: SYMBOL, origClientOrderId: 'official-again' }));
    assert.equal(latest.orderId, second.orderId);
    await data(maker.deleteOrder({ symbol: SYMBOL, orderId: second.orderId }));
  });

  it('queries by client id and by order id; an unknown one does not exist', async () => {
    const byClient = await data(maker.getOrder({ symbol: SYMBOL, origClientOrderId: 'official-1' }));
    const byNumber = await data(maker.getOrder({ symbol: SYMBOL, orderId: byClient.orderId }));
    assert.deepEqual(byNumber, byClient);
    await assert.rejects(maker.getOrder({ symbol: SYMBOL, origClientOrderId: 'nobody' }),
                         failsWith(/^Order does not exist\.$/));
  });

  it('trades, and both sides see it', async () => {
    const sold = await data(taker.newOrder(
      { symbol: SYMBOL, side: 'SELL', type: 'MARKET', quantity: 0.2 }));
    assert.equal(sold.status, 'FILLED');
    assert.equal(sold.fills[0].price, '60000.00000000');
    assert.equal(sold.fills[0].commission, '12.00000000');
    assert.equal(sold.fills[0].commissionAsset, 'USDT');
    const [trade] = await data(maker.myTrades({ symbol: SYMBOL }));
    assert.equal(trade.isMaker, true);
    assert.equal(trade.isBuyer, true);
    assert.equal(trade.qty, '0.20000000');
    assert.equal(trade.commission, '0.00020000');
    const account = await data(maker.getAccount({ omitZeroBalances: true }));
    const btc = account.balances.find((balance) => balance.asset === 'BTC');
    assert.equal(btc.free, '100.19980000');
    const ledger = await venue.control('GET', '/ledger?account=maker');
    assert.equal(ledger.trades.length, 1);
    assert.equal(ledger.trades[0].tradeId, Number(trade.id));
  });

  it('amends downwards and keeps the order', async () => {
    const before = await data(maker.getOrder({ symbol: SYMBOL, origClientOrderId: 'official-1' }));
    const amended = await data(maker.orderAmendKeepPriority({
      symbol: SYMBOL, orderId: before.orderId, newQty: 0.4, newClientOrderId: 'official-1',
    }));
    assert.equal(amended.amendedOrder.orderId, before.orderId);
    assert.equal(amended.amendedOrder.qty, '0.40000000');
    await assert.rejects(
      maker.orderAmendKeepPriority({ symbol: SYMBOL, orderId: before.orderId, newQty: 0.45 }),
      failsWith(/quantity increase/));
  });

  it('replaces an order, and says which half failed', async () => {
    const replaced = await data(maker.orderCancelReplace({
      symbol: SYMBOL, side: 'BUY', type: 'LIMIT_MAKER', cancelReplaceMode: 'STOP_ON_FAILURE',
      cancelOrigClientOrderId: 'official-1', quantity: 0.1, price: 58_000,
      newClientOrderId: 'official-2',
    }));
    assert.equal(replaced.cancelResult, 'SUCCESS');
    assert.equal(replaced.newOrderResponse.clientOrderId, 'official-2');
    await assert.rejects(maker.orderCancelReplace({
      symbol: SYMBOL, side: 'BUY', type: 'LIMIT_MAKER', cancelReplaceMode: 'STOP_ON_FAILURE',
      cancelOrigClientOrderId: 'nobody', quantity: 0.1, price: 58_000,
    }), failsWith(/^Order cancel-replace failed\.$/));
    await assert.rejects(maker.orderCancelReplace({
      symbol: SYMBOL, side: 'BUY', type: 'LIMIT_MAKER', cancelReplaceMode: 'ALLOW_FAILURE',
      cancelOrigClientOrderId: 'nobody', quantity: 0.1, price: 57_000,
    }), failsWith(/^Order cancel-replace partially failed\.$/));
  });

  it('lists and cancels all, once', async () => {
    assert.equal((await data(maker.getOpenOrders({ symbol: SYMBOL }))).length, 2);
    assert.equal((await data(maker.deleteOpenOrders({ symbol: SYMBOL }))).length, 2);
    assert.deepEqual(await data(maker.getOpenOrders({ symbol: SYMBOL })), []);
    await assert.rejects(maker.deleteOpenOrders({ symbol: SYMBOL }),
                         failsWith(/^Unknown order sent\.$/));
  });

  it('signs with Ed25519 as well, for the same account', async () => {
    const other = restClientEd25519();
    const order = await data(other.newOrder(bid('official-ed', 55_000)));
    const seen = await data(maker.getOrder({ symbol: SYMBOL, orderId: order.orderId }));
    assert.equal(seen.clientOrderId, 'official-ed');
    await data(other.deleteOrder({ symbol: SYMBOL, orderId: order.orderId }));
  });

  it('is told about a bad signature and an unknown key', async () => {
    await assert.rejects(restClient({ ...MAKER, secret: 'wrong' }).getAccount(),
                         failsWith(/^Signature for this request is not valid\.$/));
    await assert.rejects(restClient({ ...MAKER, apiKey: 'unknown' }).getAccount(),
                         failsWith(/^Invalid API-key, IP, or permissions for action\.$/));
  });
});

describe('@binance/spot streams', () => {
  let maker;
  let connection;
  before(async () => {
    maker = restClient(MAKER);
    const client = new Spot({ configurationWebsocketStreams: { wsURL: venue.streams } });
    connection = await within(10_000, 'connection', client.websocketStreams.connect());
  });
  after(async () => { await connection?.disconnect(); });

  it('sees depth differences, best prices and trades', async () => {
    const depth = [];
    const tops = [];
    const trades = [];
    connection.diffBookDepth({ symbol: 'btcusdt', updateSpeed: '100ms' })
      .on('message', (event) => depth.push(event));
    connection.bookTicker({ symbol: 'btcusdt' }).on('message', (event) => tops.push(event));
    connection.trade({ symbol: 'btcusdt' }).on('message', (event) => trades.push(event));
    // Subscribing is not answered to the caller; a book change shows when it is in force.
    await eventually('first depth event', async () => {
      const order = await data(maker.newOrder(bid('stream-probe', 50_000)));
      await data(maker.deleteOrder({ symbol: SYMBOL, orderId: order.orderId }));
      return depth.length > 0 && tops.length > 0;
    });
    await data(maker.newOrder(bid('stream-bid', 60_000, 1)));
    await eventually('the level', () =>
      depth.some((event) => event.b.some(([price, size]) =>
        price === '60000.00000000' && size === '1.00000000')));
    for (let i = 1; i < depth.length; ++i) {
      assert.equal(Number(depth[i].U), Number(depth[i - 1].u) + 1, 'diffs are continuous');
    }
    assert.equal(tops.at(-1).b, '60000.00000000');
    await data(restClient(TAKER).newOrder(
      { symbol: SYMBOL, side: 'SELL', type: 'MARKET', quantity: 0.3 }));
    await eventually('the trade', () => trades.length > 0);
    assert.equal(trades[0].p, '60000.00000000');
    assert.equal(trades[0].q, '0.30000000');
    assert.equal(trades[0].m, true);
    // A snapshot joins the differences.
    const snapshot = await data(maker.depth({ symbol: SYMBOL, limit: 5000 }));
    assert.deepEqual(snapshot.bids, [['60000.00000000', '0.70000000']]);
    await data(maker.deleteOpenOrders({ symbol: SYMBOL }));
  });
});

describe('@binance/spot WebSocket API', () => {
  async function connect(configuration) {
    const client = new Spot({
      configurationWebsocketAPI: { wsURL: venue.wsApi, ...configuration },
    });
    return within(10_000, 'connection', client.websocketAPI.connect());
  }
  const wsData = async (promise) => (await within(10_000, 'answer', promise)).data;

  it('places, queries, replaces and cancels with signed requests', async () => {
    const connection = await connect({ apiKey: MAKER.apiKey, apiSecret: MAKER.secret });
    const response = await within(10_000, 'order.place', connection.orderPlace(
      { ...bid('wsapi-1', 60_000), newOrderRespType: 'RESULT' }));
    assert.equal(response.data.status, 'NEW');
    assert.ok(response.rateLimits.some((limit) => limit.rateLimitType === 'ORDERS'));
    await assert.rejects(connection.orderPlace(bid('wsapi-1', 59_000)),
                         failsWith(/^Duplicate order sent\.$/));
    const status = await wsData(connection.orderStatus(
      { symbol: SYMBOL, origClientOrderId: 'wsapi-1' }));
    assert.equal(status.orderId, response.data.orderId);
    assert.equal((await wsData(connection.openOrdersStatus({ symbol: SYMBOL }))).length, 1);
    const replaced = await wsData(connection.orderCancelReplace({
      symbol: SYMBOL, side: 'BUY', type: 'LIMIT_MAKER', cancelReplaceMode: 'STOP_ON_FAILURE',
      cancelOrigClientOrderId: 'wsapi-1', quantity: 0.5, price: 58_000,
      newClientOrderId: 'wsapi-2',
    }));
    assert.equal(replaced.newOrderResult, 'SUCCESS');
    const amended = await wsData(connection.orderAmendKeepPriority({
      symbol: SYMBOL, origClientOrderId: 'wsapi-2', newQty: 0.25, newClientOrderId: 'wsapi-2',
    }));
    assert.equal(amended.amendedOrder.qty, '0.25000000');
    const canceled = await wsData(connection.orderCancel(
      { symbol: SYMBOL, origClientOrderId: 'wsapi-2', newClientOrderId: 'wsapi-cancel' }));
    assert.equal(canceled.status, 'CANCELED');
    assert.equal(canceled.origClientOrderId, 'wsapi-2');
    assert.equal(canceled.clientOrderId, 'wsapi-cancel');
    await assert.rejects(connection.orderCancel({ symbol: SYMBOL, origClientOrderId: 'wsapi-2' }),
                         failsWith(/^Unknown order sent\.$/));
    await wsData(connection.orderPlace(bid('wsapi-3', 57_000)));
    assert.equal((await wsData(connection.openOrdersCancelAll({ symbol: SYMBOL }))).length, 1);
    await connection.disconnect();
  });

  it('answers public requests', async () => {
    const connection = await connect({ apiKey: MAKER.apiKey, apiSecret: MAKER.secret });
    assert.deepEqual(await wsData(connection.ping()), {});
    assert.ok(Number((await wsData(connection.time())).serverTime) > 0);
    assert.equal((await wsData(connection.exchangeInfo({ symbol: SYMBOL }))).symbols.length, 1);
    assert.deepEqual((await wsData(connection.depth({ symbol: SYMBOL, limit: 5 }))).bids, []);
    assert.ok((await wsData(connection.accountStatus())).balances.length >= 2);
    assert.ok((await wsData(connection.myTrades({ symbol: SYMBOL }))).length > 0);
    await connection.disconnect();
  });

  it('logs a session on with Ed25519 and gets its events', async () => {
    const connection = await connect({ apiKey: ED25519_KEY, privateKey: venue.privateKeyPem });
    const [logon] = await within(10_000, 'session.logon', connection.sessionLogon());
    assert.equal(logon.data.apiKey, ED25519_KEY);
    const { stream } = await within(10_000, 'subscribe', connection.userDataStreamSubscribe());
    const events = [];
    stream.on('message', (event) => events.push(event));
    const order = await wsData(connection.orderPlace(bid('session-1', 60_000)));
    await within(10_000, 'market order', restClient(TAKER).newOrder(
      { symbol: SYMBOL, side: 'SELL', type: 'MARKET', quantity: 0.2 }));
    await wsData(connection.orderCancel(
      { symbol: SYMBOL, orderId: order.orderId, newClientOrderId: 'session-cancel' }));
    await eventually('the cancel', () => events.some((event) => event.x === 'CANCELED'));
    const reports = events.filter((event) => event.e === 'executionReport');
    assert.deepEqual(reports.map((event) => event.x), ['NEW', 'TRADE', 'CANCELED']);
    assert.equal(reports[1].X, 'PARTIALLY_FILLED');
    assert.equal(reports[1].l, '0.20000000');
    assert.equal(reports[1].m, true);
    assert.equal(reports[2].c, 'session-cancel');
    assert.equal(reports[2].C, 'session-1');
    assert.ok(events.some((event) => event.e === 'outboundAccountPosition'));
    await venue.control('POST', '/transfer', { account: MAKER.name, asset: 'USDT', amount: '5' });
    await eventually('the transfer', () => events.some(
      (event) => event.e === 'balanceUpdate' && event.d === '5.00000000'));
    await within(10_000, 'logout', connection.sessionLogout());
    await eventually('the end of the stream',
                     () => events.some((event) => event.e === 'eventStreamTerminated'));
    await connection.disconnect();
  });

  it('subscribes by signature with an HMAC key and unsubscribes', async () => {
    const connection = await connect({ apiKey: MAKER.apiKey, apiSecret: MAKER.secret });
    const { response, stream } = await within(
      10_000, 'subscribe', connection.userDataStreamSubscribeSignature());
    const events = [];
    stream.on('message', (event) => events.push(event));
    await wsData(connection.orderPlace(bid('signature-1', 60_000)));
    await eventually('the order', () => events.some((event) => event.x === 'NEW'));
    await wsData(connection.openOrdersCancelAll({ symbol: SYMBOL }));
    await within(10_000, 'unsubscribe', connection.userDataStreamUnsubscribe(
      { subscriptionId: response.data.subscriptionId }));
    await eventually('the end of the stream',
                     () => events.some((event) => event.e === 'eventStreamTerminated'));
    await connection.disconnect();
  });
});
