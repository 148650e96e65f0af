// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import dev.sluice.metrics.Counter;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Header;
import dev.sluice.wire.WireException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Receives one stream. With {@code framing = sluice} it ends well at the END header only; with {@code raw} at the end of
 * the connection, since nothing else marks it.
 */
public final class Receiver implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Receiver.class);

    /** Read buffer, and all the memory that a sender can make this receiver use: the largest socket buffer read at once. */
    private static final int READ_BYTES = 1 << 20;

    /**
     * What to do with the stream.
     *
     * @param verify checks the counter pattern of the simulated device
     * @param record gets the payload bytes, replacing what it held; null to discard them
     * @param reconnect after a connection that broke off waits for the sender to come back, until END; a receiver that
     *     connects also waits until the sender is there
     */
    public record Options(
            Framing framing, boolean verify, @Nullable Path record, boolean reconnect) {}

    /** Before it is tried again to connect: short for people, long for a sender that refuses. */
    private static final Duration RECONNECT = Duration.ofMillis(200);

    private final Options options;

    /** Null if it is the receiver that connects. */
    private final @Nullable ServerSocketChannel server;

    /** Where the sender listens, or where this does. */
    private final InetSocketAddress address;

    private final Verifier verifier = new Verifier();
    private final byte[] headerBytes = new byte[Header.BYTES];
    private final Header header = new Header(MemorySegment.ofArray(headerBytes));
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(READ_BYTES);
    private @Nullable FileChannel file;

    private long frames;
    private final Counter bytes = new Counter();
    private long lostBytes;
    private long skippedBytes;
    private int connections;
    private String brokenBecause = "";

    /** By stream id, each from its first header on. */
    private final Map<Integer, Place> places = new HashMap<>();

    /** How far a stream has come with its last whole frame. */
    private static final class Place {

        /** The least position at which the next frame can start. */
        private long nextPosition;

        private long lastSequence = -1;
        private boolean ended;
    }

    /** Listens; port 0 takes any that is free. */
    public Receiver(InetSocketAddress listen, Options options) throws IOException {
        this(listen, listening(listen), options);
    }

    private Receiver(InetSocketAddress address, @Nullable ServerSocketChannel server, Options options)
            throws IOException {
        this.address = server == null ? address : (InetSocketAddress) server.getLocalAddress();
        this.server = server;
        this.options = options;
        Path record = options.record();
        try {
            file = record == null
                    ? null
                    : FileChannel.open(
                            record,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.WRITE,
                            StandardOpenOption.TRUNCATE_EXISTING);
        } catch (FileSystemException e) {
            close();
            throw new IOException("cannot record to " + record + ": " + reason(e), e);
        }
    }

    /** Connects to a sender that listens, when it is told to receive; the name is looked up then. */
    public static Receiver connecting(String host, int port, Options options) throws IOException {
        return new Receiver(InetSocketAddress.createUnresolved(host, port), null, options);
    }

    private static ServerSocketChannel listening(InetSocketAddress listen) throws IOException {
        if (listen.isUnresolved()) {
            throw new IOException("cannot listen on " + listen.getHostString() + ": the name is not known");
        }
        ServerSocketChannel server = ServerSocketChannel.open();
        try {
            return server.bind(listen, 1);
        } catch (IOException e) {
            server.close();
            throw new IOException(
                    "cannot listen on " + listen.getHostString() + ":" + listen.getPort() + ": " + e.getMessage(), e);
        }
    }

    private static String reason(FileSystemException e) {
        String reason = e.getReason();
        return switch (e) {
            case NoSuchFileException none -> "no such folder";
            case AccessDeniedException denied -> "permission denied";
            default -> reason != null ? reason : "it cannot be written";
        };
    }

    /** Where it listens, or where it connects to. */
    public InetSocketAddress address() {
        return address;
    }

    /** Payload bytes so far; any thread. */
    public long bytes() {
        return bytes.value();
    }

    /** Receives until the stream ends, well or not; the report says which. */
    public Report receive() {
        String problem = "";
        long began = System.nanoTime();
        try {
            do {
                try (SocketChannel connection = nextConnection()) {
                    if (connections++ == 0) {
                        began = System.nanoTime();
                    }
                    LOG.info("connection {} {}", server == null ? "to" : "from", connection.getRemoteAddress());
                    problem = receiveFrom(connection);
                }
                if (!problem.isEmpty() && options.reconnect()) {
                    LOG.warn("{}; waiting for the sender to come back", problem);
                }
            } while (!problem.isEmpty() && options.reconnect());
        } catch (WireException e) {
            problem = e.getMessage() == null ? "corrupt stream" : e.getMessage();
        } catch (IOException e) {
            problem = String.valueOf(e.getMessage());
        }
        return new Report(
                frames,
                bytes.value(),
                options.verify(),
                verifier.verifiedBytes(),
                verifier.wrongBytes(),
                verifier.uncheckedBytes(),
                lostBytes,
                skippedBytes + verifier.gapBytes(),
                connections,
                Duration.ofNanos(System.nanoTime() - began),
                problem);
    }

    private SocketChannel nextConnection() throws IOException {
        if (server != null) {
            return server.accept();
        }
        if (connections > 0) {
            pause(); // a sender that is gone, or has no place for this receiver, may need a moment
        }
        boolean told = false;
        while (true) {
            try {
                return connect();
            } catch (IOException e) {
                if (!options.reconnect()) {
                    throw e;
                }
                if (!told) {
                    LOG.warn("{}; trying again", e.getMessage());
                    told = true;
                }
                pause();
            }
        }
    }

    private SocketChannel connect() throws IOException {
        String where = "cannot connect to " + address.getHostString() + ":" + address.getPort() + ": ";
        InetSocketAddress to = new InetSocketAddress(address.getHostString(), address.getPort());
        if (to.isUnresolved()) {
            throw new IOException(where + "the name is not known");
        }
        try {
            return SocketChannel.open(to);
        } catch (IOException e) {
            throw new IOException(where + e.getMessage(), e);
        }
    }

    private static void pause() {
        LockSupport.parkNanos(RECONNECT.toNanos());
    }

    /** Returns why the connection did not end well, or nothing; throws if no later one could mend it. */
    private String receiveFrom(SocketChannel connection) throws IOException {
        buffer.clear();
        brokenBecause = "";
        return options.framing() == Framing.RAW ? receiveRaw(connection) : receiveFrames(connection);
    }

    private String receiveRaw(SocketChannel connection) throws IOException {
        verifier.begin(Verifier.Run.UNKNOWN, 0);
        while (read(connection)) {
            buffer.flip();
            payload(buffer, false);
            buffer.compact();
        }
        buffer.flip();
        payload(buffer, true);
        return brokenBecause.isEmpty() ? "" : "the connection broke: " + brokenBecause;
    }

    private String receiveFrames(SocketChannel connection) throws IOException {
        buffer.flip(); // empty, and read from
        while (fill(connection, Header.BYTES)) {
            buffer.get(headerBytes);
            header.validate();
            Place place = places.computeIfAbsent(header.stream(), id -> firstPlace());
            begin(place);
            if (header.type() == Header.TYPE_END) {
                place.ended = true;
            } else {
                long missing = receivePayload(connection, header.payloadBytes());
                if (missing > 0) {
                    forget(header.payloadBytes() - missing);
                    return "the stream was cut off inside frame " + header.sequence() + " (" + missing + " of "
                            + header.payloadBytes() + " bytes missing)";
                }
                frames++;
            }
            account(place);
        }
        if (buffer.hasRemaining()) {
            return "the stream was cut off inside a header (" + buffer.remaining() + " of 64 bytes)";
        }
        return ended()
                ? ""
                : "the connection closed without an END after " + frames + (frames == 1 ? " frame" : " frames");
    }

    /** Who connects to a sender may do so in the middle, and has no claim to what was before. */
    private Place firstPlace() {
        Place place = new Place();
        place.nextPosition = server == null ? header.sourceOffset() - header.lostBytes() : 0;
        return place;
    }

    /** The ENDs of all streams come together, so there are either all or not all that were seen. */
    private boolean ended() {
        return !places.isEmpty() && places.values().stream().allMatch(place -> place.ended);
    }

    /** Checks a header against the frames before it. */
    private void begin(Place place) throws WireException {
        if (place.ended) {
            throw new WireException("frame " + header.sequence() + " came after the END of stream " + header.stream());
        }
        if (header.sequence() <= place.lastSequence) {
            throw new WireException("frame " + header.sequence() + " came after frame " + place.lastSequence);
        }
        if (header.sourceOffset() < place.nextPosition) {
            throw new WireException("frame " + header.sequence() + " starts at source position " + header.sourceOffset()
                    + ", but " + place.nextPosition + " was reached before");
        }
        Verifier.Run run = header.contiguous()
                ? Verifier.Run.CONTIGUOUS
                : header.wholeWords() ? Verifier.Run.CUT : Verifier.Run.UNCHECKED;
        verifier.begin(run, header.sourceOffset());
    }

    /** Counts what is missing before a frame, once all of it has come: one that is cut off says so again. */
    private void account(Place place) {
        lostBytes += header.lostBytes();
        skippedBytes += Math.max(0, header.sourceOffset() - place.nextPosition - header.lostBytes());
        place.nextPosition = header.sourceOffset() + (header.emitted() ? 0 : header.payloadBytes());
        place.lastSequence = header.sequence();
    }

    /** Returns how many bytes did not come. */
    private long receivePayload(SocketChannel connection, long payloadBytes) throws IOException {
        long left = payloadBytes;
        while (left > 0) {
            int wanted = (int) Math.min(left, Long.BYTES);
            if (!fill(connection, wanted)) {
                return left;
            }
            int limit = buffer.limit();
            buffer.limit(buffer.position() + (int) Math.min(left, buffer.remaining()));
            int before = buffer.position();
            payload(buffer, left == buffer.remaining());
            left -= buffer.position() - before;
            buffer.limit(limit);
        }
        return 0;
    }

    /** Only whole frames count: a sender that comes back sends a frame that was cut off from its start, or not at all. */
    private void forget(long cutBytes) throws IOException {
        bytes.add(-cutBytes);
        FileChannel from = file;
        if (from != null) {
            from.truncate(bytes.value());
        }
    }

    /** Makes at least {@code wanted} bytes available from the buffer's position on; false at the end of the connection. */
    private boolean fill(SocketChannel connection, int wanted) throws IOException {
        while (buffer.remaining() < wanted) {
            buffer.compact();
            boolean more = read(connection);
            buffer.flip();
            if (!more) {
                return false;
            }
        }
        return true;
    }

    /** A broken connection ends like a closed one: what is missing is judged by the caller. */
    private boolean read(SocketChannel connection) {
        try {
            return connection.read(buffer) >= 0;
        } catch (IOException e) {
            brokenBecause = String.valueOf(e.getMessage());
            return false;
        }
    }

    /** Takes payload bytes out of the buffer; all of them if they are the last of their run. */
    private void payload(ByteBuffer from, boolean last) throws IOException {
        int before = from.position();
        if (options.verify()) {
            verifier.check(from, last);
        } else {
            from.position(from.limit());
        }
        int taken = from.position() - before;
        FileChannel to = file;
        if (to != null) {
            ByteBuffer recorded = from.duplicate().position(before).limit(before + taken);
            try {
                while (recorded.hasRemaining()) {
                    to.write(recorded);
                }
            } catch (IOException e) {
                throw new IOException("cannot record to " + options.record() + ": " + e.getMessage(), e);
            }
        }
        bytes.add(taken);
    }

    @Override
    public void close() throws IOException {
        if (server != null) {
            server.close();
        }
        FileChannel to = file;
        if (to != null) {
            to.close();
        }
    }
}
