// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.linux.Constants;
import dev.sluice.linux.LinuxException;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.stream.Connection;
import dev.sluice.stream.Reactor;
import dev.sluice.stream.SendStage;
import dev.sluice.stream.SinkStream;
import dev.sluice.topology.HostAndPort;
import dev.sluice.topology.Topology;
import dev.sluice.transport.Transports;
import dev.sluice.wire.Tls;
import dev.sluice.wire.TlsFiles;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLEngine;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.BehaviorBuilder;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.jspecify.annotations.Nullable;

/**
 * Accepts the connections of a sink's receivers, greets them, and hands each to the stream of a free slot. Who may not
 * connect, or finds no slot free, is closed at once; who does not say what it wants, soon.
 *
 * <pre>
 *   attaching ──a stream for every slot──▶ accepting ◀──time──▶ out of descriptors
 * </pre>
 */
final class Listener {

    /** What it understands. */
    sealed interface Message {}

    /**
     * The stream of a slot; the first messages, and later whenever another takes its place.
     *
     * @param left the connection that the stream before left open, or null
     */
    record Attach(
            int slot, SendStage.Control stream, @Nullable Connection left) implements Message {}

    /** The connection of a slot's stream is gone. */
    record Lost(int slot, String reason) implements Message {}

    private record Ready() implements Message {}

    /** Something came over a connection that is not ready for frames. */
    private record Heard(long guest) implements Message {}

    private record TooSlow(long guest) implements Message {}

    /** Until a descriptor may be free again, which nothing tells. */
    private static final Duration OUT_OF_DESCRIPTORS = Duration.ofSeconds(1);

    /** Connections that wait to be accepted; they are at once, unless a whole fleet comes back. */
    private static final int BACKLOG = 128;

    /**
     * Connections that are not ready for frames, at once: what somebody who has no business here can take up. One more
     * makes the oldest go, not the newest wait: a receiver needs two round trips, so strangers would have to make as many
     * connections in that time to keep it out, and not only so many in all of the handshake-timeout.
     */
    private static final int MOST_GUESTS = 64;

    private final ActorContext<Message> context;
    private final TimerScheduler<Message> timers;
    private final Topology.ListenSink sink;
    private final @Nullable Tls tls;
    private final TcpSocket listening;
    private final Reactor reactor;
    private final Transports transports;
    private final SinkCounters counters;
    private final SendStage.@Nullable Control[] streams;

    /** By slot: who is connected. */
    private final @Nullable String[] peers;

    /** Connections that are not ready for frames, the oldest first. */
    private final Map<Long, Guest> guests = new LinkedHashMap<>();

    /** @param peer who it is */
    private record Guest(Handshake handshake, String peer) {}

    private final List<SinkStream> offered;
    private long nextGuest;
    private int attached;
    private Reactor.@Nullable Registration registration;

    /**
     * Listens from now on, so that receivers wait until they are accepted.
     *
     * @throws IOException with one sentence, if the address cannot be listened on
     */
    static TcpSocket bind(Topology.ListenSink sink) throws IOException {
        InetSocketAddress address = new InetSocketAddress(sink.address(), sink.port());
        TcpSocket socket = TcpSocket.open(sink.address());
        try {
            // An address is in use for a minute after its connections were closed here, otherwise.
            socket.option(Constants.SOL_SOCKET, Constants.SO_REUSEADDR, 1, "SO_REUSEADDR");
            socket.bind(address);
            socket.listen(BACKLOG);
            return socket;
        } catch (LinuxException e) {
            socket.close();
            String why = switch (e.errno()) {
                case Constants.EADDRINUSE -> "another program listens there, or on all addresses with that port";
                case Constants.EADDRNOTAVAIL -> "this machine has no such address";
                case Constants.EACCES -> "this user may not; choose a port from 1024 on";
                default -> LinuxException.describe(e.errno());
            };
            throw new IOException(sink.name() + ": cannot listen on " + text(address) + ": " + why, e);
        }
    }

    /**
     * Accepts as soon as there is a stream for every slot.
     *
     * @param offered what receivers are told of
     * @param listening is the listener's from now on
     */
    static Behavior<Message> create(
            Topology.ListenSink sink,
            List<SinkStream> offered,
            TcpSocket listening,
            Reactor reactor,
            Transports transports,
            SinkCounters counters) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers ->
                new Listener(context, timers, sink, offered, listening, reactor, transports, counters).attaching()));
    }

    private Listener(
            ActorContext<Message> context,
            TimerScheduler<Message> timers,
            Topology.ListenSink sink,
            List<SinkStream> offered,
            TcpSocket listening,
            Reactor reactor,
            Transports transports,
            SinkCounters counters) {
        this.context = context;
        this.timers = timers;
        this.sink = sink;
        TlsFiles files = sink.session().tls();
        this.tls = files == null ? null : new Tls(files);
        this.offered = offered;
        this.listening = listening;
        this.reactor = reactor;
        this.transports = transports;
        this.counters = counters;
        this.streams = new SendStage.Control[sink.receivers()];
        this.peers = new String[sink.receivers()];
    }

    private Behavior<Message> attaching() {
        return state().onMessage(Attach.class, this::onAttach).build();
    }

    private Behavior<Message> onAttach(Attach attach) throws LinuxException {
        streams[attach.slot()] = attach.stream();
        return ++attached < streams.length ? Behaviors.same() : accepting();
    }

    /** A connection that the stream before did not leave is gone, whether it was told or not. */
    private Behavior<Message> onAttachAgain(Attach attach) {
        streams[attach.slot()] = attach.stream();
        Connection left = attach.left();
        if (left != null) {
            attach.stream().connected(left);
        } else {
            peers[attach.slot()] = null;
        }
        return Behaviors.same();
    }

    private Behavior<Message> accepting() throws LinuxException {
        String where = text(listening.localAddress());
        counters.listening(where);
        context.getLog().info("{}: listening on {}", sink.name(), where);
        ActorRef<Message> self = context.getSelf();
        Reactor.Registration watch = reactor.register(listening.fd(), events -> self.tell(new Ready()));
        registration = watch;
        watch.arm(Constants.EPOLLIN);
        return state().onMessage(Ready.class, ready -> onReady(watch))
                .onMessage(Heard.class, heard -> onHeard(heard.guest()))
                .onMessage(TooSlow.class, this::onTooSlow)
                .onMessage(Lost.class, this::onLost)
                .onMessage(Attach.class, this::onAttachAgain)
                .build();
    }

    /** One at a time: however many come, those that are there are heard in between. */
    private Behavior<Message> onReady(Reactor.Registration watch) throws LinuxException {
        try {
            TcpSocket socket = listening.accept();
            if (socket != null) {
                admit(socket);
            }
            watch.arm(Constants.EPOLLIN);
        } catch (LinuxException e) {
            if (e.errno() == Constants.ECONNABORTED || e.errno() == Constants.EINTR) {
                watch.arm(Constants.EPOLLIN); // one that left before it was accepted; others may wait behind it
            } else {
                context.getLog().warn("{}: {}; trying again", sink.name(), e.getMessage());
                timers.startSingleTimer(new Ready(), OUT_OF_DESCRIPTORS);
            }
        }
        return Behaviors.same();
    }

    private void admit(TcpSocket socket) {
        try {
            InetSocketAddress peer = socket.peerAddress();
            if (!sink.allows(peer.getAddress())) {
                refuse(socket, peer, sink.allow().isEmpty() ? "it is not on this machine" : "allow does not name it");
            } else if (freeSlot() < 0) {
                refuse(socket, peer, "receivers = " + streams.length + ", and as many are connected");
            } else {
                greet(socket, text(peer));
            }
        } catch (LinuxException e) { // it has gone already
            context.getLog().debug("{}: a receiver was not accepted: {}", sink.name(), e.getMessage());
            socket.close();
        }
    }

    private void greet(TcpSocket socket, String peer) {
        SSLEngine engine;
        try {
            engine = tls == null ? null : tls.engine(null, 0);
        } catch (IOException e) { // a file that is being replaced
            socket.close();
            turnedAway(peer, String.valueOf(e.getMessage()));
            return;
        }
        if (guests.size() == MOST_GUESTS) {
            Map.Entry<Long, Guest> oldest = guests.entrySet().iterator().next();
            turnAway(oldest.getKey(), oldest.getValue(), MOST_GUESTS + " others came before it said what it wants");
        }
        long guest = nextGuest++;
        ActorRef<Message> self = context.getSelf();
        Handshake handshake = new Handshake(
                transports.open(socket, engine),
                transports::forFrames,
                sink.session(),
                offered,
                streams.length > 1,
                false,
                reactor,
                events -> self.tell(new Heard(guest)));
        guests.put(guest, new Guest(handshake, peer));
        timers.startSingleTimer(guest, new TooSlow(guest), sink.session().handshakeTimeout());
        onHeard(guest);
    }

    private Behavior<Message> onHeard(long number) {
        Guest guest = guests.get(number);
        if (guest == null) {
            return Behaviors.same();
        }
        try {
            Connection connection = guest.handshake().proceed();
            if (connection != null) {
                leave(number);
                seat(connection, guest.peer());
            }
        } catch (IOException e) {
            turnAway(number, guest, String.valueOf(e.getMessage()));
        }
        return Behaviors.same();
    }

    private Behavior<Message> onTooSlow(TooSlow slow) {
        Guest guest = guests.get(slow.guest());
        if (guest != null) {
            turnAway(
                    slow.guest(),
                    guest,
                    "it did not say within " + sink.session().handshakeTimeout().toMillis() + " ms what it wants");
        }
        return Behaviors.same();
    }

    private void turnAway(long number, Guest guest, String why) {
        leave(number);
        guest.handshake().drop();
        turnedAway(guest.peer(), why);
    }

    private void turnedAway(String peer, String why) {
        counters.handshakesFailed.add(1);
        context.getLog().warn("{}: turned {} away: {}", sink.name(), peer, why);
    }

    private void leave(long number) {
        guests.remove(number);
        timers.cancel(number);
    }

    /** Others may have been faster. */
    private void seat(Connection connection, String peer) {
        int slot = freeSlot();
        SendStage.Control stream = slot < 0 ? null : streams[slot];
        if (stream == null) {
            counters.refused.add(1);
            connection.drop();
            return;
        }
        peers[slot] = peer;
        counters.receivers.add(1);
        context.getLog().info("{}: {} connected", sink.name(), peer);
        stream.connected(connection);
    }

    private int freeSlot() {
        for (int slot = 0; slot < peers.length; slot++) {
            if (peers[slot] == null) {
                return slot;
            }
        }
        return -1;
    }

    private void refuse(TcpSocket socket, InetSocketAddress peer, String why) {
        counters.refused.add(1);
        context.getLog().warn("{}: refused {}: {}", sink.name(), text(peer), why);
        socket.close();
    }

    private Behavior<Message> onLost(Lost lost) {
        context.getLog().warn("{}: {}: connection lost: {}", sink.name(), peers[lost.slot()], lost.reason());
        peers[lost.slot()] = null;
        return Behaviors.same();
    }

    private BehaviorBuilder<Message> state() {
        return Behaviors.receive(Message.class).onSignal(PostStop.class, stop -> {
            Reactor.Registration watched = registration;
            if (watched != null) {
                watched.close();
            }
            guests.values().forEach(guest -> guest.handshake().drop());
            listening.close();
            return Behaviors.same();
        });
    }

    private static String text(InetSocketAddress address) {
        return new HostAndPort(address.getAddress().getHostAddress(), address.getPort()).toString();
    }
}
