// SPDX-License-Identifier: Apache-2.0
package dev.sluice.faults;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * A network with faults between two programs on this machine: a TCP proxy that relays both directions of any number of
 * connections, and does to them what was planned, or what a test asks for at the moment.
 *
 * <p>The same seed gives the nth connection the same faults at the same bytes of each direction, however the bytes come.
 * Only a fault with a {@linkplain Planned#atMost limit} may go to another of several connections that run side by side.
 *
 * <p>Threading: any thread may call. Each connection has threads of its own, so that nothing waits for anything else.
 */
public final class FaultProxy implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofMinutes(2);

    /**
     * A planned fault that has begun.
     *
     * @param connection from 0, in the order in which they were made
     * @param position bytes of the direction that came before it
     */
    public record Injected(int connection, Direction direction, long position, Fault fault) {}

    private final ServerSocketChannel server = ServerSocketChannel.open();
    private final InetSocketAddress address;
    private final long seed;
    private final List<Planned> plan;

    // Under the lock of this object, which tells those that wait for any of it.
    private InetSocketAddress target;
    private boolean down;
    private boolean calm;
    private boolean closed;
    private int connections;
    private int refused;
    private final int[] claimed;
    private final Set<Connection> live = new HashSet<>();
    private final List<Injected> injected = new ArrayList<>();
    private final Map<Class<? extends Fault>, Integer> counts = new HashMap<>();
    private final Map<Direction, Long> taken = new EnumMap<>(Direction.class);

    /** Listens on a free port of the loopback address. */
    public FaultProxy(InetSocketAddress target, long seed, Planned... plan) throws IOException {
        this.target = target;
        this.seed = seed;
        this.plan = List.of(plan);
        claimed = new int[plan.length];
        server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        address = (InetSocketAddress) server.getLocalAddress();
        Thread.ofPlatform().name("fault-proxy").daemon().start(this::serve);
    }

    /** Where to connect to instead of the target. */
    public InetSocketAddress address() {
        return address;
    }

    /** Connections to come go there. Ends {@link #down}. */
    public synchronized void target(InetSocketAddress other) {
        target = other;
        down = false;
    }

    /** Closes what connects from now on, as it does when nobody listens at the target; what is connected stays so. */
    public synchronized void down() {
        down = true;
    }

    /** Resets all connections there are, and does nothing to those that are made from now on but what a test asks for. */
    public void calm() {
        synchronized (this) {
            calm = true;
        }
        cut();
    }

    /** Resets all connections there are. */
    public void cut() {
        for (Connection connection : begun(Fault.Reset.class)) {
            connection.reset();
        }
    }

    /** Lets nothing pass any more on all connections there are, and keeps them open. */
    public void blackHole() {
        for (Connection connection : begun(Fault.BlackHole.class)) {
            connection.blackHole();
        }
    }

    private synchronized List<Connection> begun(Class<? extends Fault> kind) {
        live.forEach(connection -> counts.merge(kind, 1, Integer::sum));
        notifyAll();
        return List.copyOf(live);
    }

    /** Connections made so far, to both ends. */
    public synchronized int connections() {
        return connections;
    }

    /** Connections closed at once, since the target was down. */
    public synchronized int refused() {
        return refused;
    }

    /** How many faults of a kind have begun, planned or on demand. */
    public synchronized int count(Class<? extends Fault> kind) {
        return counts.getOrDefault(kind, 0);
    }

    /** All planned faults that have begun, in that order. */
    public synchronized List<Injected> injected() {
        return List.copyOf(injected);
    }

    /** Bytes taken from those who send in a direction, on all connections. */
    public synchronized long takenBytes(Direction direction) {
        return taken.getOrDefault(direction, 0L);
    }

    /** Waits until something is so that this proxy counts: {@code proxy.await(() -> proxy.connections() == 2)}. */
    public synchronized void await(BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            long leftMillis = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
            if (leftMillis <= 0) {
                throw new AssertionError("waited in vain: " + this);
            }
            wait(leftMillis);
        }
    }

    @Override
    public synchronized String toString() {
        return "proxy with -Dsluice.seed=" + seed + ", " + plan + ": " + connections + " connections, " + refused
                + " refused, " + taken + " bytes taken, " + counts;
    }

    private void serve() {
        while (server.isOpen()) {
            try {
                SocketChannel client = server.accept();
                // The target may be slow to answer; others shall not wait for that.
                Thread.ofPlatform().name("fault-proxy-connect").daemon().start(() -> connect(client));
            } catch (IOException e) {
                return; // closed
            }
        }
    }

    private void connect(SocketChannel client) {
        try {
            SocketChannel other = SocketChannel.open(destination());
            try {
                Connection.noDelay(client);
                Connection.noDelay(other);
                add(client, other);
            } catch (IOException e) {
                other.close();
                throw e;
            }
        } catch (IOException e) {
            refuse(client);
        }
    }

    private synchronized InetSocketAddress destination() throws IOException {
        if (down) {
            throw new IOException("down");
        }
        return target;
    }

    private synchronized void add(SocketChannel client, SocketChannel other) throws IOException {
        if (closed) {
            throw new IOException("closed");
        }
        Connection connection = new Connection(this, connections++, client, other, calm ? List.of() : plan, seed);
        live.add(connection);
        connection.start();
        notifyAll();
    }

    private synchronized void refuse(SocketChannel client) {
        try {
            client.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        refused++;
        notifyAll();
    }

    synchronized void over(Connection connection) {
        live.remove(connection);
        notifyAll();
    }

    /** Whether a fault of the plan may still happen. */
    synchronized boolean claim(int planned) {
        return claimed[planned] < plan.get(planned).most() && ++claimed[planned] > 0;
    }

    synchronized void injected(Injected fault) {
        injected.add(fault);
        counts.merge(fault.fault().getClass(), 1, Integer::sum);
        notifyAll();
    }

    synchronized void took(Direction direction, int bytes) {
        taken.merge(direction, (long) bytes, Long::sum);
        notifyAll();
    }

    /** Closes a socket so that its other end sees a reset. */
    static void abort(SocketChannel socket) {
        try (socket) {
            socket.setOption(StandardSocketOptions.SO_LINGER, 0);
        } catch (IOException e) {
            // Then it is closed already, or its other end has gone.
        }
    }

    /** Listens no more, and resets what is connected. */
    @Override
    public void close() throws IOException {
        List<Connection> left;
        synchronized (this) {
            closed = true;
            left = List.copyOf(live);
        }
        server.close();
        left.forEach(Connection::reset);
    }
}
