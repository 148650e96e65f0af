// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import dev.sluice.metrics.Counter;
import dev.sluice.wire.Authentication;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Header;
import dev.sluice.wire.KeyFile;
import dev.sluice.wire.Session;
import dev.sluice.wire.Tls;
import dev.sluice.wire.TlsFiles;
import dev.sluice.wire.TlsLine;
import dev.sluice.wire.WireException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;
import java.util.function.ToLongFunction;
import java.util.zip.CRC32C;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Receives what one sink sends. With {@code framing = sluice} it says which frame of each stream it wants when a connection
 * begins, acknowledges what has come, and ends well at the END headers only; with {@code raw} at the end of the connection,
 * since nothing else marks it.
 */
public final class Receiver implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Receiver.class);

    /** Read buffer, and all the memory that a sender can make this receiver use: the largest socket buffer read at once. */
    private static final int READ_BYTES = 1 << 20;

    /** Unless it has nothing else to do, it acknowledges after so many bytes. */
    private static final long ACKNOWLEDGE_BYTES = 1 << 20;

    /**
     * What is recorded is synced, and acknowledged, after so many bytes, so much time, or when nothing came for as long as
     * the last sync took, whichever comes first: a sender whose ring is full of what was not acknowledged sends nothing
     * until it is, and one that merely has a gap between its frames costs the disk about half of its time at most.
     */
    private static final long SYNC_BYTES = 8L << 20;

    private static final Duration SYNC_AFTER = Duration.ofMillis(50);

    /** A sender says how long either end may be silent; whoever it is, it is not waited for longer than that. */
    private static final Duration LONGEST_SILENCE = Duration.ofMinutes(10);

    /** Until a sender has said which streams it has. */
    private static final Duration HANDSHAKE = Duration.ofSeconds(10);

    private static final int FROM_SENDER =
            1 << Header.TYPE_FRAME | 1 << Header.TYPE_END | 1 << Header.TYPE_KEEP_ALIVE | 1 << Header.TYPE_BYE;

    /**
     * What to do with the stream.
     *
     * @param verify checks the counter pattern of the simulated device
     * @param record gets the payload bytes; null to discard them. With {@code framing = sluice} it is gone on with if its
     *     streams have not ended, else it is replaced
     * @param reconnect after a connection that broke off waits for the sender to come back, until END; a receiver that
     *     connects also waits until the sender is there
     * @param key what the sender must prove to have; null if anybody will do. Only with {@code framing = sluice}
     * @param tls what encrypts the connection; null if nothing does
     * @param allows whether a sender may be at an address, if it is the sender that connects
     */
    public record Options(
            Framing framing,
            boolean verify,
            @Nullable Path record,
            boolean reconnect,
            @Nullable KeyFile key,
            @Nullable TlsFiles tls,
            Predicate<InetAddress> allows) {

        /** From anybody. */
        public Options(Framing framing, boolean verify, @Nullable Path record, boolean reconnect) {
            this(framing, verify, record, reconnect, null, null, address -> true);
        }
    }

    /** Before it is tried again to connect: short for people, long for a sender that refuses. */
    private static final Duration RECONNECT = Duration.ofMillis(200);

    private final Options options;

    /** Null if it is the receiver that connects. */
    private final @Nullable Entrance entrance;

    /** Where the sender listens, or where this does. */
    private final InetSocketAddress address;

    private final @Nullable Tls tls;

    private final Verifier verifier = new Verifier();
    private final byte[] headerBytes = new byte[Header.BYTES];
    private final Header header = new Header(MemorySegment.ofArray(headerBytes));
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(READ_BYTES);
    private final ByteBuffer answers =
            ByteBuffer.allocateDirect(Header.MOST_STREAMS * Header.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final @Nullable Recording recording;
    private final CRC32C payloadCrc = new CRC32C();

    private final Counter bytes = new Counter();
    private int connections;
    private int restarts;
    private int corrupt;

    /** Senders that this connected to, and that did not prove that they have the key. */
    private int unproved;

    /** What came of streams whose source began anew. */
    private final StreamPlace gone = new StreamPlace(0);

    /** By stream id, each from its first header behind the HELLO on. */
    private final Map<Integer, StreamPlace> places = new TreeMap<>();

    /** Of the connection that there is: the streams that it has. */
    private final Map<Integer, StreamPlace> current = new LinkedHashMap<>();

    private Duration silence = Duration.ZERO;
    private long heardNanos;
    private long saidNanos;
    private long unacknowledgedBytes;
    private long unsyncedSinceNanos;
    private long syncTookNanos;
    private boolean unsynced;

    /** Everything has come, and perhaps the sender did not hear that. */
    private boolean lingering;

    /** If it did not, it is back before this. */
    private long lingersUntilNanos;

    private volatile @Nullable Incoming talking;
    private volatile boolean interrupted;

    /** Listens; port 0 takes any that is free. */
    public Receiver(InetSocketAddress listen, Options options) throws IOException {
        this(listen, entrance(listen, options), options);
    }

    private Receiver(InetSocketAddress address, @Nullable Entrance entrance, Options options) throws IOException {
        this.address = entrance == null ? address : entrance.address();
        this.entrance = entrance;
        this.options = options;
        TlsFiles files = options.tls();
        tls = files == null ? null : new Tls(files);
        Path record = options.record();
        try {
            recording = record == null ? null : Recording.open(record, options.framing() == Framing.SLUICE);
        } catch (IOException e) {
            if (entrance != null) {
                entrance.close();
            }
            throw e;
        }
        if (recording != null) {
            places.putAll(recording.places());
        }
    }

    /** Connects to a sender that listens, when it is told to receive; the name is looked up then. */
    public static Receiver connecting(String host, int port, Options options) throws IOException {
        check(options);
        return new Receiver(InetSocketAddress.createUnresolved(host, port), null, options);
    }

    private static Entrance entrance(InetSocketAddress listen, Options options) throws IOException {
        check(options);
        return new Entrance(listen, options.key(), options.tls(), options.allows(), HANDSHAKE);
    }

    /** Files that cannot be used would fail every connection, and their user should hear of it now. */
    private static void check(Options options) throws IOException {
        KeyFile key = options.key();
        if (key != null) {
            key.read();
        }
        TlsFiles files = options.tls();
        if (files != null) {
            files.check();
        }
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
                try (Incoming connection = nextConnection()) {
                    if (connection == null) {
                        break; // the sender knows that all has come, or will not come back for it
                    }
                    if (connections++ == 0) {
                        began = System.nanoTime();
                    }
                    talking = connection;
                    if (interrupted) {
                        break; // before there was anything to interrupt
                    }
                    LOG.info("connection {} {}", entrance == null ? "to" : "from", connection.peer());
                    problem = receiveFrom(connection);
                }
                if (lingering && ended()) {
                    lingersUntilNanos = System.nanoTime() + silence.toNanos();
                }
                if (!problem.isEmpty() && options.reconnect() && !interrupted) {
                    LOG.warn("{}; waiting for the sender to come back", problem);
                } else if (lingering && options.reconnect() && !interrupted) {
                    LOG.info(
                            "all has come, but the sender did not say that it knows: waiting {} ms for it",
                            silence.toMillis());
                }
            } while ((!problem.isEmpty() || lingering) && options.reconnect() && !interrupted);
            problem = lingering ? "" : problem;
        } catch (IOException e) {
            problem = interrupted ? "" : String.valueOf(e.getMessage());
        }
        if (interrupted && problem.isEmpty() && !ended() && !lingering) {
            problem = "interrupted before the stream had ended";
        }
        return report(Duration.ofNanos(System.nanoTime() - began), problem);
    }

    /** Has {@link #receive} end soon, with what has come. Any thread. */
    public void interrupt() {
        interrupted = true;
        Incoming connection = talking;
        if (connection != null) {
            connection.interrupt();
        }
        if (entrance != null) {
            try {
                entrance.close();
            } catch (IOException e) {
                LOG.debug("the entrance was not closed", e);
            }
        }
    }

    /** What has come so far. */
    Report report(Duration elapsed, String problem) {
        return new Report(
                sum(place -> place.frames),
                bytes.value(),
                options.verify(),
                verifier.verifiedBytes(),
                verifier.wrongBytes(),
                verifier.uncheckedBytes(),
                sum(place -> place.lostBytes),
                StreamPlace.sum(sum(place -> place.skippedBytes), verifier.gapBytes()),
                connections,
                restarts,
                corrupt,
                unproved + (entrance == null ? 0 : entrance.turnedAway()),
                elapsed,
                problem);
    }

    private long sum(ToLongFunction<StreamPlace> count) {
        return places.values().stream().mapToLong(count).reduce(count.applyAsLong(gone), StreamPlace::sum);
    }

    /** Null if it lingers, and nobody comes. */
    private @Nullable Incoming nextConnection() throws IOException {
        long lingers = lingersUntilNanos - System.nanoTime();
        if (lingering && lingers <= 0) {
            return null;
        }
        if (entrance != null) {
            return entrance.next(lingering ? Duration.ofNanos(lingers) : Duration.ZERO);
        }
        if (connections > 0) {
            pause(); // a sender that is gone, or has no place for this receiver, may need a moment
        }
        boolean told = false;
        while (true) {
            try {
                return connect();
            } catch (IOException e) {
                if (lingering) {
                    return null; // it is gone
                }
                if (!options.reconnect() || interrupted) {
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

    private IncomingSocket connect() throws IOException {
        String where = "cannot connect to " + address.getHostString() + ":" + address.getPort() + ": ";
        InetSocketAddress to = new InetSocketAddress(address.getHostString(), address.getPort());
        if (to.isUnresolved()) {
            throw new IOException(where + "the name is not known");
        }
        try {
            SSLEngine engine = tls == null ? null : tls.engine(address.getHostString(), address.getPort());
            SocketChannel channel = SocketChannel.open();
            IncomingSocket connection =
                    new IncomingSocket(channel, engine == null ? null : new TlsLine(channel, engine));
            talking = connection; // to be interrupted while it waits
            if (interrupted) {
                connection.interrupt(); // before there was anything to interrupt
            }
            try {
                connection.connect(to, HANDSHAKE);
                return connection;
            } catch (IOException e) {
                connection.breakOff(String.valueOf(e.getMessage()));
                connection.close();
                throw e;
            }
        } catch (IOException e) {
            throw new IOException(where + e.getMessage(), e);
        }
    }

    private static void pause() {
        LockSupport.parkNanos(RECONNECT.toNanos());
    }

    /** Returns why the connection did not end well, or nothing; throws if no later one could mend it. */
    String receiveFrom(Incoming connection) throws IOException {
        buffer.clear();
        if (options.framing() == Framing.RAW) {
            return receiveRaw(connection);
        }
        buffer.flip(); // empty, and read from
        try {
            return receiveFrames(connection);
        } catch (WireException e) {
            corrupt++;
            return e.getMessage() == null ? "corrupt stream" : e.getMessage();
        }
    }

    private String receiveRaw(Incoming connection) throws IOException {
        verifier.begin(Verifier.Run.UNKNOWN, 0);
        while (connection.read(buffer, () -> Duration.ZERO)) {
            buffer.flip();
            payload(buffer, false);
            buffer.compact();
        }
        buffer.flip();
        payload(buffer, true);
        return connection.brokenBecause().isEmpty() ? "" : "the connection broke: " + connection.brokenBecause();
    }

    private String receiveFrames(Incoming connection) throws IOException {
        String refused = greet(connection);
        if (!refused.isEmpty()) {
            return refused;
        }
        while (fill(connection, Header.BYTES)) {
            buffer.get(headerBytes);
            header.validate(FROM_SENDER);
            if (header.type() == Header.TYPE_KEEP_ALIVE) {
                continue;
            }
            if (header.type() == Header.TYPE_BYE) {
                hearOut();
                return "";
            }
            StreamPlace place = current.get(header.stream());
            if (place == null) {
                throw new WireException("frame " + header.sequence() + " is of stream " + header.stream()
                        + ", for which no HELLO came");
            }
            begin(place);
            adopt(header.stream(), place);
            if (header.type() == Header.TYPE_FRAME) {
                String cut = receiveFrame(connection);
                if (!cut.isEmpty()) {
                    return cut;
                }
            }
            account(place);
            long most = recording == null ? ACKNOWLEDGE_BYTES : SYNC_BYTES;
            lingering = ended();
            if (lingering || unacknowledgedBytes >= most) {
                acknowledge(connection);
            }
        }
        return ended(connection);
    }

    /** What is to be told of how the connection ended, between two frames. */
    private String ended(Incoming connection) throws IOException {
        if (ended()) {
            return "";
        }
        if (unsynced) {
            acknowledge(
                    connection); // whether it hears of it or not: it is asked what it wants when the sender comes back
        }
        if (buffer.hasRemaining()) {
            return "the stream was cut off inside a header (" + buffer.remaining() + " of 64 bytes)" + why(connection);
        }
        long frames = sum(place -> place.frames);
        return "the connection closed without an END after " + frames + (frames == 1 ? " frame" : " frames")
                + why(connection);
    }

    /** The sender knows that all has come. */
    private void hearOut() throws WireException {
        if (!ended()) {
            throw new WireException("a BYE before the END of each stream");
        }
        lingering = false;
    }

    private static String why(Incoming connection) {
        return connection.brokenBecause().isEmpty() ? "" : ": " + connection.brokenBecause();
    }

    /** Hears which streams there are and says what it wants of each; returns why that could not be, or nothing. */
    private String greet(Incoming connection) throws IOException {
        silence = HANDSHAKE;
        heardNanos = System.nanoTime();
        long until = heardNanos + HANDSHAKE.toNanos();
        current.clear();
        String unknown = authenticate(connection, until);
        if (!unknown.isEmpty()) {
            unproved++;
            return unknown;
        }
        Duration said = HANDSHAKE;
        Map<Integer, Long> identities = new LinkedHashMap<>();
        for (int streams = 1; identities.size() < streams; ) {
            if (!fillUntil(connection, until)) {
                return "the connection closed before the sender said which streams it has" + why(connection);
            }
            buffer.get(headerBytes);
            header.validate(1 << Header.TYPE_HELLO | 1 << Header.TYPE_CHALLENGE);
            if (header.type() == Header.TYPE_CHALLENGE) {
                throw Authentication.asked(Authentication.Role.SENDER);
            }
            streams = header.streams();
            said = Duration.ofNanos(header.timeNanos());
            if (identities.put(header.stream(), header.identity()) != null) {
                throw new WireException("two HELLOs for stream " + header.stream());
            }
        }
        identities.forEach((stream, identity) -> {
            StreamPlace known = places.get(stream);
            current.put(stream, known != null && known.identity == identity ? known : new StreamPlace(identity));
        });
        silence = said.compareTo(LONGEST_SILENCE) < 0 ? said : LONGEST_SILENCE;
        checkpoint(); // what it says it has it must have for good
        say(connection, Header.TYPE_WELCOME);
        lingering |= ended();
        return "";
    }

    /** Whoever came through the entrance has proved that it has the key; a sender that this connected to does so here. */
    private String authenticate(Incoming connection, long untilNanos) throws IOException {
        KeyFile key = options.key();
        if (key == null || entrance != null) {
            return "";
        }
        try {
            Authentication authentication = new Authentication(key.read(), Authentication.Role.RECEIVER, true);
            connection.write(ByteBuffer.wrap(authentication.begin()), HANDSHAKE);
            while (!authentication.done()) {
                if (!fillUntil(connection, untilNanos)) {
                    return Authentication.leftBy(Authentication.Role.SENDER) + why(connection);
                }
                buffer.get(headerBytes);
                connection.write(ByteBuffer.wrap(authentication.take(header)), HANDSHAKE);
            }
            return "";
        } catch (IOException e) { // also of a key file that is being replaced
            return String.valueOf(e.getMessage());
        }
    }

    /** Makes one header available; no more is read, since there should be no more before it was answered. */
    private boolean fillUntil(Incoming connection, long untilNanos) throws IOException {
        while (buffer.remaining() < Header.BYTES) {
            buffer.compact();
            buffer.limit(Header.BYTES);
            boolean more = connection.read(buffer, () -> {
                long left = untilNanos - System.nanoTime();
                if (left <= 0) {
                    connection.breakOff("it said nothing for " + HANDSHAKE.toMillis() + " ms");
                }
                return Duration.ofNanos(Math.max(1, left));
            });
            buffer.flip();
            if (!more) {
                return false;
            }
        }
        return true;
    }

    /**
     * A stream has its place here from its first header behind the HELLO on: who only says HELLO takes nobody's. A record
     * whose streams had all ended makes room for another.
     */
    private void adopt(int stream, StreamPlace place) throws IOException {
        StreamPlace known = places.get(stream);
        if (place.equals(known)) {
            return;
        }
        if (recording != null && !places.isEmpty() && allEnded(places)) {
            recording.replace();
            places.clear();
            known = null;
        }
        if (known == null && places.size() == Header.MOST_STREAMS) {
            throw new WireException("more than " + Header.MOST_STREAMS + " streams");
        }
        if (known != null) {
            restarts++;
            LOG.warn("stream {} is another one than before: its source began anew", stream);
            gone.add(known);
        }
        places.put(stream, place);
    }

    private static boolean allEnded(Map<Integer, StreamPlace> streams) {
        return streams.values().stream().allMatch(place -> place.ended);
    }

    /** The ENDs of all streams come together, so there are either all or not all that were seen. */
    private boolean ended() {
        return !current.isEmpty() && allEnded(current);
    }

    /** Checks a header against the frames before it. */
    private void begin(StreamPlace place) throws WireException {
        if (place.isNew) {
            // Who connects to a sender may do so in the middle, and has no claim to what was before.
            place.nextPosition = entrance == null ? Math.max(0, header.sourceOffset() - header.lostBytes()) : 0;
        }
        if (place.ended) {
            throw new WireException("frame " + header.sequence() + " came after the END of stream " + header.stream());
        }
        if (header.sequence() < place.nextSequence) {
            throw new WireException("frame " + header.sequence() + " came after frame " + (place.nextSequence - 1));
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
    private void account(StreamPlace place) {
        boolean frame = header.type() == Header.TYPE_FRAME;
        place.isNew = false;
        place.ended = !frame;
        place.frames = StreamPlace.sum(place.frames, frame ? 1 : 0);
        place.bytes = StreamPlace.sum(place.bytes, header.payloadBytes());
        place.lostBytes = StreamPlace.sum(place.lostBytes, header.lostBytes());
        place.skippedBytes = StreamPlace.sum(
                place.skippedBytes, Math.max(0, header.sourceOffset() - place.nextPosition - header.lostBytes()));
        place.nextPosition = header.sourceOffset() + (header.emitted() ? 0 : header.payloadBytes());
        place.nextSequence = header.sequence() + (frame ? 1 : 0);
        unacknowledgedBytes += Header.BYTES + header.payloadBytes();
        if (!unsynced) {
            unsynced = true;
            unsyncedSinceNanos = System.nanoTime();
        }
    }

    /** Returns why the frame is not there, or nothing. */
    private String receiveFrame(Incoming connection) throws IOException {
        verifier.mark();
        payloadCrc.reset();
        if (recording != null) {
            recording.beginFrame();
        }
        long missing = receivePayload(connection, header.payloadBytes());
        boolean wrong = missing == 0 && header.hasChecksum() && (int) payloadCrc.getValue() != header.checksum();
        if (missing == 0 && !wrong) {
            if (recording != null) {
                recording.endFrame();
            }
            return "";
        }
        // Only whole frames count: a sender that comes back sends it from its start, or not at all.
        bytes.add(-(header.payloadBytes() - missing));
        verifier.forget();
        if (recording != null) {
            recording.forgetFrame();
        }
        if (unsynced) {
            acknowledge(connection);
        }
        if (wrong) {
            throw new WireException("the payload of frame " + header.sequence() + " of stream " + header.stream()
                    + " is corrupt: it has another checksum than its header says");
        }
        return "the stream was cut off inside frame " + header.sequence() + " (" + missing + " of "
                + header.payloadBytes() + " bytes missing)" + why(connection);
    }

    /** Returns how many bytes did not come. */
    private long receivePayload(Incoming connection, long payloadBytes) throws IOException {
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

    /** Makes at least {@code wanted} bytes available from the buffer's position on; false at the end of the connection. */
    private boolean fill(Incoming connection, int wanted) throws IOException {
        while (buffer.remaining() < wanted) {
            buffer.compact();
            boolean more = connection.read(buffer, () -> beforeWaiting(connection));
            buffer.flip();
            if (!more) {
                return false;
            }
            heardNanos = System.nanoTime();
        }
        return true;
    }

    /** Says what has come, if that is new or it is time to be heard of; then how long it may wait. */
    private Duration beforeWaiting(Incoming connection) throws IOException {
        long now = System.nanoTime();
        long pulse = silence.toNanos() / Session.PULSES;
        long syncIn = recording != null && unsynced ? syncIn(now) : 0;
        if ((unsynced && syncIn <= 0) || now - saidNanos >= pulse) {
            acknowledge(connection);
            syncIn = 0;
        }
        if (now - heardNanos > silence.toNanos()) {
            connection.breakOff("nothing came from the sender for " + silence.toMillis() + " ms");
        }
        long wait = Math.min(pulse, Math.max(1, heardNanos + silence.toNanos() - now));
        return Duration.ofNanos(syncIn > 0 ? Math.min(wait, syncIn) : wait);
    }

    private long syncIn(long now) {
        return Math.min(unsyncedSinceNanos + SYNC_AFTER.toNanos() - now, heardNanos + syncTookNanos - now);
    }

    private void acknowledge(Incoming connection) throws IOException {
        checkpoint();
        say(connection, Header.TYPE_ACK);
    }

    private void checkpoint() throws IOException {
        if (recording != null && unsynced) {
            long began = System.nanoTime();
            recording.checkpoint(places);
            syncTookNanos = System.nanoTime() - began;
        }
        unsynced = false;
        unacknowledgedBytes = 0;
    }

    private void say(Incoming connection, int type) throws IOException {
        answers.clear();
        int at = 0;
        for (Map.Entry<Integer, StreamPlace> stream : current.entrySet()) {
            new Header(MemorySegment.ofBuffer(answers).asSlice(at, Header.BYTES))
                    .progress(type, stream.getKey(), stream.getValue().progress());
            at += Header.BYTES;
        }
        answers.limit(at);
        saidNanos = System.nanoTime();
        connection.write(answers, silence);
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
        if (options.framing() == Framing.SLUICE && header.hasChecksum()) {
            payloadCrc.update(from.duplicate().position(before).limit(before + taken));
        }
        if (recording != null) {
            recording.write(from.duplicate().position(before).limit(before + taken));
        }
        bytes.add(taken);
    }

    @Override
    public void close() throws IOException {
        if (entrance != null) {
            entrance.close();
        }
        if (recording != null) {
            recording.close();
        }
    }
}
