// SPDX-License-Identifier: Apache-2.0
package dev.sluice.faults;

import java.io.IOException;
import java.net.StandardSocketOptions;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.SocketChannel;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A connection through the proxy: two sockets and two directions, until both directions have ended or one end is gone. */
final class Connection {

    private final FaultProxy proxy;
    private final int number;
    private final SocketChannel client;
    private final SocketChannel target;
    private final Relay toTarget;
    private final Relay toClient;
    private final CountDownLatch over = new CountDownLatch(1);
    private volatile boolean dark;

    // Under the lock of this object.
    private int endedDirections;

    Connection(
            FaultProxy proxy, int number, SocketChannel client, SocketChannel target, List<Planned> plan, long seed) {
        this.proxy = proxy;
        this.number = number;
        this.client = client;
        this.target = target;
        Random seeds = new Random(seed * 31 + number);
        toTarget = new Relay(this, Direction.TO_TARGET, client, target, plan, new Random(seeds.nextLong()));
        toClient = new Relay(this, Direction.TO_CLIENT, target, client, plan, new Random(seeds.nextLong()));
    }

    void start() {
        toTarget.start();
        toClient.start();
    }

    /** Both ends see a reset, unless the connection is over already. */
    synchronized void reset() {
        if (over.getCount() > 0) {
            FaultProxy.abort(client);
            FaultProxy.abort(target);
            finish();
        }
    }

    /** What is being written at this moment may still arrive. */
    void blackHole() {
        dark = true;
    }

    /** Returns at once, except in a black hole, which it leaves only when the connection is over. */
    void awaitLight() throws AsynchronousCloseException {
        try {
            if (dark) {
                over.await();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (over.getCount() == 0) {
            throw new AsynchronousCloseException();
        }
    }

    /** Waits, but not longer than the connection lives. */
    void pause(long nanos) throws InterruptedException {
        if (nanos > 0) {
            over.await(nanos, TimeUnit.NANOSECONDS);
        }
    }

    synchronized void directionEnded() throws IOException {
        if (++endedDirections == Direction.values().length && over.getCount() > 0) {
            client.close();
            target.close();
            finish();
        }
    }

    private void finish() {
        over.countDown();
        toTarget.stop();
        toClient.stop();
        proxy.over(this);
    }

    boolean claim(int planned) {
        return proxy.claim(planned);
    }

    void took(Direction direction, int bytes) {
        proxy.took(direction, bytes);
    }

    void injected(Direction direction, long position, Fault fault) {
        proxy.injected(new FaultProxy.Injected(number, direction, position, fault));
    }

    static void noDelay(SocketChannel socket) throws IOException {
        socket.setOption(StandardSocketOptions.TCP_NODELAY, true); // or the kernel would join what was cut apart
    }
}
