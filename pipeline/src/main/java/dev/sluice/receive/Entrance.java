// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import dev.sluice.wire.Authentication;
import dev.sluice.wire.Header;
import dev.sluice.wire.KeyFile;
import dev.sluice.wire.Tls;
import dev.sluice.wire.TlsFiles;
import dev.sluice.wire.TlsLine;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lets senders in: those whose address is allowed, and who have the key, where one is asked for. Strangers keep nobody
 * waiting: many connections are heard at once, each with memory for one header and a limited time.
 *
 * <p>One thread at a time, but that any may close it.
 */
final class Entrance implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Entrance.class);

    /**
     * Connections that have not proved that they have the key, at once. One more makes the oldest go: a sender needs two
     * round trips, so strangers would have to make as many connections in that time to keep it out.
     */
    static final int MOST_GUESTS = 64;

    /**
     * Without a key there is one sender, and who waits behind it only hears of that late. With one, connections of
     * strangers must be taken out of the way of the sender's as they come.
     */
    private static final int BACKLOG = 1;

    private static final int BACKLOG_WITH_KEY = 2 * MOST_GUESTS;

    private final ServerSocketChannel server;
    private final Selector selector;
    private final SelectionKey arrivals;
    private final @Nullable KeyFile key;
    private final @Nullable Tls tls;
    private final Predicate<InetAddress> allows;
    private final Duration patience;

    /** The oldest first. */
    private final Set<Guest> guests = new LinkedHashSet<>();

    private int turnedAway;

    /** A connection that has proved nothing yet. */
    private static final class Guest {

        private final SocketChannel channel;
        private final @Nullable TlsLine tls;
        private final ByteChannel line;

        /** Null if nothing is to be proved. */
        private final @Nullable Authentication authentication;

        private final long untilNanos;
        private final byte[] came = new byte[Header.BYTES];
        private final ByteBuffer space = ByteBuffer.wrap(came);
        private final Header header = new Header(MemorySegment.ofArray(came));

        private boolean begun;

        Guest(SocketChannel channel, @Nullable TlsLine tls, byte @Nullable [] key, long untilNanos) {
            this.channel = channel;
            this.tls = tls;
            this.untilNanos = untilNanos;
            line = tls == null ? channel : tls;
            authentication = key == null ? null : new Authentication(key, Authentication.Role.RECEIVER, false);
        }

        /** Goes as far as the connection lets it: 0 if it may come in, else the operation to wait for. */
        int proceed() throws IOException {
            int awaited = tls == null || begun ? 0 : tls.shake();
            if (awaited != 0 || authentication == null) {
                return awaited;
            }
            if (!begun) {
                begun = true;
                say(authentication.begin());
            }
            while (!authentication.done()) {
                int got = line.read(space);
                if (got < 0) {
                    throw new IOException(Authentication.leftBy(Authentication.Role.SENDER));
                }
                if (space.hasRemaining()) {
                    return SelectionKey.OP_READ;
                }
                space.clear();
                say(authentication.take(header));
            }
            return 0;
        }

        /** Two headers in all, which any socket takes at once. */
        private void say(byte[] bytes) throws IOException {
            if (line.write(ByteBuffer.wrap(bytes)) < bytes.length) {
                throw new IOException("it takes nothing");
            }
        }
    }

    /**
     * Listens.
     *
     * @param key what a sender must have; null if anybody will do
     * @param tls what encrypts the connections; null if nothing does
     * @param allows whether a sender may be at an address
     * @param patience how long a sender may take for the TLS handshake, and to prove that it has the key
     */
    Entrance(
            InetSocketAddress listen,
            @Nullable KeyFile key,
            @Nullable TlsFiles tls,
            Predicate<InetAddress> allows,
            Duration patience)
            throws IOException {
        if (listen.isUnresolved()) {
            throw new IOException("cannot listen on " + listen.getHostString() + ": the name is not known");
        }
        this.key = key;
        this.tls = tls == null ? null : new Tls(tls);
        this.allows = allows;
        this.patience = patience;
        server = ServerSocketChannel.open();
        try {
            server.bind(listen, key == null && tls == null ? BACKLOG : BACKLOG_WITH_KEY);
            server.configureBlocking(false);
            selector = Selector.open();
            arrivals = server.register(selector, SelectionKey.OP_ACCEPT);
        } catch (IOException e) {
            server.close();
            throw new IOException(
                    "cannot listen on " + listen.getHostString() + ":" + listen.getPort() + ": " + e.getMessage(), e);
        }
    }

    InetSocketAddress address() throws IOException {
        return (InetSocketAddress) server.getLocalAddress();
    }

    /** Connections that were closed, since they were not allowed or did not prove that they have the key. */
    int turnedAway() {
        return turnedAway;
    }

    /**
     * Waits for a sender.
     *
     * @param longest how long; for ever, if zero
     * @return null if none came in that time
     */
    @Nullable
    IncomingSocket next(Duration longest) throws IOException {
        long until = System.nanoTime() + longest.toNanos();
        try {
            while (true) {
                long now = System.nanoTime();
                if (!longest.isZero() && now - until >= 0) {
                    return null;
                }
                dismissTheSlow(now);
                selector.select(waitMillis(now, longest.isZero() ? null : until));
                IncomingSocket sender = admitted();
                if (sender != null) {
                    return sender;
                }
            }
        } catch (ClosedSelectorException | CancelledKeyException e) {
            throw new IOException("the receiver was closed", e);
        } finally {
            dismissAll();
        }
    }

    /** There is one sender; whoever else has the key will try again. */
    private void dismissAll() throws IOException {
        for (Guest guest : guests) {
            guest.channel.close();
        }
        guests.clear();
    }

    /** Until the first of what is timed; 0, which means for ever, if nothing is. */
    private long waitMillis(long now, @Nullable Long until) {
        long first = Long.MAX_VALUE;
        if (until != null) {
            first = until - now;
        }
        for (Guest oldest : guests) {
            first = Math.min(first, oldest.untilNanos - now);
            break;
        }
        return first == Long.MAX_VALUE ? 0 : Math.max(1, Duration.ofNanos(first).toMillis());
    }

    private void dismissTheSlow(long now) throws IOException {
        for (Guest guest : new ArrayList<>(guests)) {
            if (now - guest.untilNanos >= 0) {
                guests.remove(guest);
                turnAway(
                        guest.channel, "it did not do within " + patience.toMillis() + " ms what is asked of it first");
            }
        }
    }

    private @Nullable IncomingSocket admitted() throws IOException {
        List<SelectionKey> ready = List.copyOf(selector.selectedKeys());
        selector.selectedKeys().clear();
        for (SelectionKey one : ready) {
            IncomingSocket sender = null;
            if (one.equals(arrivals)) {
                sender = accepted();
            } else if (one.attachment() instanceof Guest guest && guests.contains(guest)) {
                sender = heard(one, guest);
            }
            if (sender != null) {
                return sender;
            }
        }
        return null;
    }

    /** One at a time: however many come, those that are there are heard in between. */
    private @Nullable IncomingSocket accepted() throws IOException {
        SocketChannel channel = server.accept();
        if (channel == null) {
            return null; // it has gone already
        }
        if (!(channel.getRemoteAddress() instanceof InetSocketAddress peer) || !allows.test(peer.getAddress())) {
            turnAway(channel, "--allow does not name it");
        } else if (key == null && tls == null) {
            return new IncomingSocket(channel, null);
        } else {
            return greeted(channel);
        }
        return null;
    }

    private @Nullable IncomingSocket greeted(SocketChannel channel) throws IOException {
        if (guests.size() == MOST_GUESTS) {
            Guest oldest = guests.iterator().next();
            guests.remove(oldest);
            turnAway(oldest.channel, MOST_GUESTS + " others came before it had done what is asked of it first");
        }
        try {
            channel.configureBlocking(false);
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            Guest guest = new Guest(
                    channel,
                    tls == null ? null : new TlsLine(channel, tls.engine(null, 0)),
                    key == null ? null : key.read(),
                    System.nanoTime() + patience.toNanos());
            guests.add(guest);
            return heard(channel.register(selector, 0, guest), guest);
        } catch (IOException e) {
            turnAway(channel, String.valueOf(e.getMessage()));
            return null;
        }
    }

    private @Nullable IncomingSocket heard(SelectionKey one, Guest guest) throws IOException {
        try {
            int awaited = guest.proceed();
            if (awaited != 0) {
                one.interestOps(awaited);
                return null;
            }
        } catch (IOException e) {
            guests.remove(guest);
            turnAway(guest.channel, String.valueOf(e.getMessage()));
            return null;
        }
        guests.remove(guest);
        dismissAll();
        one.cancel();
        selector.selectNow(); // a channel that is still registered here is not really closed when it is
        return new IncomingSocket(guest.channel, guest.tls);
    }

    private void turnAway(SocketChannel channel, String why) throws IOException {
        turnedAway++;
        try (channel) {
            LOG.warn("turned {} away: {}", channel.getRemoteAddress(), why);
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
        selector.close(); // which wakes whoever waits
    }
}
