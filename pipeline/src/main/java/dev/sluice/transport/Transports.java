// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.LinuxException;
import dev.sluice.linux.SplicePipe;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Picks the transports of one sink's connections. A connection begins with what copies, over which its ends agree on what
 * they want; then it gets the one that frames are sent over. Any thread; each transport belongs to one at a time.
 */
public final class Transports implements AutoCloseable {

    /**
     * What a sink asks of its transport.
     *
     * @param choice what the user wrote
     * @param thresholdBytes frames sent together whose stretches are shorter than this on average are sent plainly:
     *     pinning pages costs more than copying a few bytes; {@link #MEASURED} to find out on this machine
     * @param plainAfterCopied after this many sends in a row that the kernel says it copied the connection goes on with plain
     *     sends; 0 never does
     * @param held whether all that is sent is held until the receiver has acknowledged it
     * @param sendBufferBytes of the socket (SO_SNDBUF, which the kernel doubles); 0 leaves it to the kernel, and
     *     {@link #CHOSEN} to this class
     */
    public record Options(
            TransportChoice choice, long thresholdBytes, int plainAfterCopied, boolean held, int sendBufferBytes) {

        /** A threshold that is measured when the first connection is made. */
        public static final long MEASURED = -1;

        /** A send buffer that is large enough for what is sent by reference, which needs no memory for it. */
        public static final int CHOSEN = -1;

        /** By reference if it can be, nothing too short for it, and nothing copied too often. */
        static Options always(TransportChoice choice) {
            return new Options(choice, 0, 0, false, CHOSEN);
        }

        Options threshold(long bytes) {
            return new Options(choice, bytes, plainAfterCopied, held, sendBufferBytes);
        }
    }

    /**
     * Where frames lie; unmapped only after the transports are closed.
     *
     * @param all of it
     * @param releasable the part of it that may be released while the network still refers to it
     * @param registrable whether what is registered with io_uring can be released at all
     */
    public record Memory(List<MemorySegment> all, List<MemorySegment> releasable, boolean registrable) {}

    private static final Logger LOG = LoggerFactory.getLogger(Transports.class);

    private static final Options ALWAYS = Options.always(TransportChoice.AUTO);

    /** Of what is sent by reference so much may wait in a socket: 36 ms of a gigabit link. */
    private static final int MOST_WAITING_BYTES = 4 << 20;

    /** Below this the kernel's own tuning does as well. */
    private static final int LEAST_WAITING_BYTES = 512 << 10;

    /** The part of the sink's memory that may wait in one socket: a stalled one shall not hold all. */
    private static final int WAITING_PART = 4;

    /** What a byte by reference is charged to the send buffer, at most: packets have headers, and pages two ends. */
    private static final int CHARGE = 2;

    /**
     * The same with registered buffers: for each fragment the kernel charges all of its compound page that is before it,
     * too (io_sg_from_iter of Linux 6.12), up to 1 MiB for 64 KiB of the driver's memory.
     */
    private static final int CHARGE_REGISTERED = 16;

    /** The first Linux that joins the notifications of several sends, without which they cost more than MSG_ZEROCOPY's. */
    private static final int JOINING_MAJOR = 6;

    private static final int JOINING_MINOR = 10;

    private final Options options;
    private final SendCounters counters;
    private final Rings rings;
    private final Memory memory;

    /** By kind: from how many bytes on sends go by reference. */
    private final Map<TransportChoice, Long> thresholds = new EnumMap<>(TransportChoice.class);

    /**
     * For connections that send from some memory.
     *
     * @param counters of the sink; they outlive the connections
     */
    public Transports(Options options, Memory memory, SendCounters counters) {
        this.options = options;
        this.counters = counters;
        this.memory = memory;
        rings = new Rings(memory.all());
        if (!memory.registrable()) {
            rings.refuse("the driver's buffers have single pages, and once these are registered it cannot tell whether"
                    + " they are in use (a buffer-size of an even number of pages has none where memory is not"
                    + " fragmented)");
        }
    }

    /**
     * Takes a freshly connected socket over.
     *
     * @param tls encrypts what is sent, which copies it whatever the options say; null to send it as it is
     */
    public Transport open(TcpSocket socket, @Nullable SSLEngine tls) {
        socket.noDelay();
        if (options.sendBufferBytes() > 0) {
            socket.sendBuffer(options.sendBufferBytes(), true);
        }
        if (tls != null) {
            counters.plainReason("tls encrypts, and so copies");
            counters.transport("tls", "");
            return new TlsTransport(socket, tls, counters);
        }
        return new CopyTransport(socket, counters);
    }

    /**
     * What frames are sent over. A transport that cannot be had gives way to the next one, with the reason in the
     * counters: {@code uring} and {@code splice} to {@code zerocopy}, and that to {@code copy}.
     *
     * @param opened of {@link #open}; not to be used any more if another takes its place
     */
    public synchronized Transport forFrames(Transport opened) {
        if (!(opened instanceof CopyTransport plain)) {
            return opened;
        }
        Transport chosen = switch (options.choice()) {
            case AUTO -> best(plain);
            case COPY -> copy(plain, "transport = copy", "");
            case ZEROCOPY -> zerocopy(plain, "");
            case URING -> uring(plain, "", "instead of uring: ");
            case SPLICE -> splice(plain);
        };
        String reason = counters.plainReason();
        LOG.info("sending over {}{}", counters.chosen(), reason.isEmpty() ? "" : ": " + reason);
        return chosen;
    }

    /** What {@code auto} takes. */
    record Best(TransportChoice choice, String reason) {

        /**
         * @param local whether the receiver is on this machine
         * @param noRing why there is no ring, or empty
         * @param room whether the send buffer holds what registered buffers are charged for
         */
        static Best of(boolean local, KernelRelease kernel, Supplier<String> noRing, BooleanSupplier room) {
            if (local) {
                return new Best(
                        TransportChoice.COPY,
                        "the receiver is on this machine, where the kernel copies whatever it is asked");
            }
            if (!kernel.isAtLeast(JOINING_MAJOR, JOINING_MINOR)) {
                return new Best(
                        TransportChoice.ZEROCOPY,
                        "since this kernel notifies of each send by io_uring alone (Linux 6.10 and later join them)");
            }
            String lacking = noRing.get();
            if (!lacking.isEmpty()) {
                return new Best(TransportChoice.ZEROCOPY, "since there is no uring: " + lacking);
            }
            if (!room.getAsBoolean()) {
                return new Best(
                        TransportChoice.ZEROCOPY,
                        "since uring is slower in a send buffer as small as this process may have (CAP_NET_ADMIN or"
                                + " net.core.wmem_max allows a larger one)");
            }
            return new Best(TransportChoice.URING, "since this kernel can, and joins the notifications");
        }
    }

    private Best best(TcpSocket socket) {
        return Best.of(
                isOfThisMachine(socket),
                KernelRelease.running(),
                this::lackingForARing,
                () -> hasRoomForRegistered(socket));
    }

    private String lackingForARing() {
        try {
            rings.giveBack(rings.take());
            return "";
        } catch (Rings.UnavailableException e) {
            return Objects.requireNonNull(e.getMessage());
        }
    }

    /** What the user wrote for the send buffer is the user's to know. */
    private boolean hasRoomForRegistered(TcpSocket socket) {
        return !choosesSendBuffer() || growSendBuffer(socket, CHARGE_REGISTERED) != Long.MAX_VALUE;
    }

    /** What {@code auto} would take for a connection, and why, as a part of a sentence. */
    synchronized String wouldTake(TcpSocket socket) {
        Best best = best(socket);
        return best.choice().word() + ", " + best.reason();
    }

    private Transport best(CopyTransport opened) {
        Best best = best(opened.socket);
        return switch (best.choice()) {
            case URING -> uring(opened, best.reason(), "since there is no uring: ");
            case ZEROCOPY -> zerocopy(opened, best.reason());
            default -> copy(opened, best.reason(), "");
        };
    }

    private static boolean isOfThisMachine(TcpSocket socket) {
        try {
            InetAddress peer = socket.peerAddress().getAddress();
            return peer.isLoopbackAddress() || peer.equals(socket.localAddress().getAddress());
        } catch (LinuxException e) {
            return false; // the connection is gone, as whoever uses it will see
        }
    }

    private Transport copy(CopyTransport opened, String plainReason, String reason) {
        counters.plainReason(plainReason);
        counters.transport("copy", reason);
        return opened;
    }

    private Transport uring(CopyTransport opened, String reason, String instead) {
        try {
            Options found = options.threshold(threshold(TransportChoice.URING, this::uringAlways));
            Rings.Ring ring = rings.take(); // which may be the one that was measured with
            long most = growSendBuffer(opened.socket, CHARGE_REGISTERED);
            counters.transport("uring", reason);
            counters.plainReason("");
            return new UringTransport(opened.socket, ring, rings, most, found, counters);
        } catch (Rings.UnavailableException e) {
            return zerocopy(opened, instead + e.getMessage());
        }
    }

    private Transport zerocopy(CopyTransport opened, String reason) {
        int refused = -opened.socket.enableZerocopy();
        if (refused != 0) {
            return copy(opened, "the socket refuses SO_ZEROCOPY: " + LinuxException.describe(refused), reason);
        }
        counters.plainReason("");
        counters.transport("zerocopy", reason);
        long most = growSendBuffer(opened.socket, CHARGE);
        Options found = options.threshold(threshold(TransportChoice.ZEROCOPY, Transports::zerocopyAlways));
        return new ZerocopyTransport(opened.socket, most, found, counters);
    }

    private Transport splice(CopyTransport opened) {
        try {
            Options found = options.threshold(threshold(TransportChoice.SPLICE, this::spliceAlways));
            SplicePipe pipe = SplicePipe.open();
            growSendBuffer(opened.socket, 1);
            counters.transport("splice", "");
            counters.plainReason("");
            return new SpliceTransport(opened.socket, pipe, memory.releasable(), found, counters);
        } catch (LinuxException e) {
            return zerocopy(opened, "instead of splice: " + e.getMessage());
        }
    }

    /**
     * Makes room for what may wait in the socket. What is copied after all shall not fill it, since that takes memory.
     *
     * @param charge bytes of room that a byte may take
     * @return bytes that may wait there; no limit if the buffer is not this class's to choose
     */
    private long growSendBuffer(TcpSocket socket, int charge) {
        if (!choosesSendBuffer()) {
            return Long.MAX_VALUE;
        }
        int waiting = mostWaiting();
        int room = waiting * charge;
        if (socket.sendBuffer() < room && !socket.sendBuffer(room / 2, false)) { // doubled by the kernel
            return Long.MAX_VALUE;
        }
        socket.mostNotSent(2 * waiting);
        return waiting;
    }

    private boolean choosesSendBuffer() {
        return options.sendBufferBytes() == Options.CHOSEN && mostWaiting() >= LEAST_WAITING_BYTES;
    }

    private int mostWaiting() {
        long all = memory.all().stream().mapToLong(MemorySegment::byteSize).sum();
        return (int) Math.min(MOST_WAITING_BYTES, all / WAITING_PART);
    }

    private long threshold(TransportChoice kind, Crossover.Maker byReference) {
        if (options.thresholdBytes() != Options.MEASURED) {
            return options.thresholdBytes();
        }
        return thresholds.computeIfAbsent(kind, absent -> {
            Crossover.Result result = Crossover.measure(memory.all(), byReference);
            LOG.info("{} from {} bytes on ({}), below that plain sends", kind.word(), result.bytes(), result.how());
            return result.bytes();
        });
    }

    private static Transport zerocopyAlways(TcpSocket socket, SendCounters of) throws IOException {
        int refused = -socket.enableZerocopy();
        if (refused != 0) {
            throw new LinuxException("SO_ZEROCOPY", refused);
        }
        return new ZerocopyTransport(socket, Long.MAX_VALUE, ALWAYS, of);
    }

    private Transport spliceAlways(TcpSocket socket, SendCounters of) throws IOException {
        return new SpliceTransport(socket, SplicePipe.open(), memory.all(), ALWAYS, of);
    }

    private Transport uringAlways(TcpSocket socket, SendCounters of) throws IOException {
        return new UringTransport(socket, rings.take(), rings, Long.MAX_VALUE, ALWAYS, of);
    }

    /** The memory is no longer registered, but for what is still sent from it. */
    @Override
    public void close() {
        rings.close();
    }
}
