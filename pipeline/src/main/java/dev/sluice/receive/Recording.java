// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import dev.sluice.wire.Header;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The file that payload is recorded to and, with {@code framing = sluice}, a small one beside it that says how far each
 * stream had come when both were on the disk for sure: {@code FILE.place}. A receiver that is started again goes on there.
 *
 * <p>The small file has two slots, written in turn, so that one is whole whenever the machine stops: the newer counts whose
 * own CRC is right. The recorded file must then be at least as long as it says, and the last frame before that have the CRC
 * it says.
 *
 * <pre>
 *  at  bytes   of a slot, little-endian
 *   0  4  magic "SLPL"       4  4  number of streams
 *   8  8  how many times this file was written
 *  16  8  length of the recorded file
 *  24  8  where the last whole frame begins in it
 *  32  4  CRC-32C of that frame    36  4  reserved, 0
 *  40  72 each   a stream: id, flags (1 nothing has come, 2 ended), identity, next sequence, next position, frames,
 *                payload bytes, lost bytes, skipped bytes (4, 4, 7 times 8), reserved, 0 (8)
 *  then   4  CRC-32C of all before
 * </pre>
 */
final class Recording implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Recording.class);
    private static final int MAGIC = 0x4c504c53;
    private static final int SLOT_BYTES = 8192;
    private static final int HEAD_BYTES = 40;
    private static final int STREAM_BYTES = 72;

    /** Of a stream, all that cannot be negative: behind its id, flags and identity. */
    private static final int COUNTS_AT = 16;

    private static final int COUNTS = 6;
    private static final int IS_NEW = 1;
    private static final int ENDED = 2;

    private final Path path;
    private final FileChannel file;

    /** Not a device, or a pipe, of which nothing can be taken back. */
    private final boolean regular;

    private final @Nullable FileChannel journal;
    private final ByteBuffer slot = ByteBuffer.allocate(SLOT_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final Map<Integer, StreamPlace> places = new TreeMap<>();
    private final CRC32C crc = new CRC32C();
    private long generation;
    private long length;

    /** Where the frame that is being written begins: all before it is whole. */
    private long frameStart;

    private long lastFrameStart;
    private int lastFrameCrc;

    private Recording(Path path, FileChannel file, @Nullable FileChannel journal, boolean regular) {
        this.path = path;
        this.regular = regular;
        this.file = file;
        this.journal = journal;
    }

    /**
     * Opens it to go on, where that can be.
     *
     * @param framed whether there are frames to go on behind; without, the file is replaced
     * @throws IOException with one sentence
     */
    static Recording open(Path path, boolean framed) throws IOException {
        boolean regular = !Files.exists(path) || Files.isRegularFile(path);
        FileChannel file = channel(path);
        FileChannel journal = null;
        try {
            journal = framed && regular ? channel(path.resolveSibling(path.getFileName() + ".place")) : null;
            Recording recording = new Recording(path, file, journal, regular);
            recording.begin();
            if (journal != null) {
                syncFolder(path);
            }
            return recording;
        } catch (IOException | RuntimeException e) {
            file.close();
            if (journal != null) {
                journal.close();
            }
            throw e;
        }
    }

    /** Files that are new have their names only then for sure. */
    private static void syncFolder(Path path) throws IOException {
        Path parent = path.toAbsolutePath().getParent();
        if (parent != null) {
            try (FileChannel folder = FileChannel.open(parent, StandardOpenOption.READ)) {
                folder.force(true);
            }
        }
    }

    private static FileChannel channel(Path path) throws IOException {
        try {
            return FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        } catch (FileSystemException e) {
            String reason = e.getReason();
            String why = switch (e) {
                case NoSuchFileException none -> "no such folder";
                case AccessDeniedException denied -> "permission denied";
                default -> reason != null ? reason : "it cannot be written";
            };
            throw new IOException("cannot record to " + path + ": " + why, e);
        }
    }

    private void begin() throws IOException {
        FileChannel from = journal;
        if (from == null) {
            truncate(0);
            return;
        }
        try {
            if (from.tryLock() == null) {
                throw new IOException("cannot record to " + path + ": another receiver does");
            }
        } catch (OverlappingFileLockException e) {
            throw new IOException("cannot record to " + path + ": this receiver does already", e);
        }
        boolean first = restore(from, 0);
        boolean second = restore(from, 1);
        if (file.size() > 0 && !((first || second) && isAsPlaced())) {
            throw new IOException("cannot record to " + path + ": it is there, and " + path.getFileName()
                    + ".place does not say how far it is whole; name another file, or remove it");
        }
        if (file.size() == 0) {
            forget();
        } else {
            LOG.info("{}: going on behind {} bytes", path, length);
        }
        frameStart = length;
        checkpoint(places); // before anything is cut off, or written that no place speaks of
        truncate(length);
    }

    private void forget() {
        places.clear();
        length = 0;
        frameStart = 0;
        lastFrameStart = 0;
        lastFrameCrc = 0;
    }

    /** What was recorded had come to its end, and something else comes. */
    void replace() throws IOException {
        LOG.info("{}: its streams had come to their end, so it is replaced", path);
        forget();
        checkpoint(places);
        truncate(0);
    }

    /** An older place is no way out where the newest is whole: what came after it was acknowledged. */
    private boolean isAsPlaced() throws IOException {
        return lastFrameStart >= 0
                && lastFrameStart <= length
                && length <= file.size()
                && crcOfFile(lastFrameStart, length) == lastFrameCrc;
    }

    /** Takes over what a slot says, if that is whole and newer; false if it is not whole. */
    private boolean restore(FileChannel from, int number) throws IOException {
        slot.clear();
        while (slot.hasRemaining() && from.read(slot, (long) number * SLOT_BYTES + slot.position()) > 0) {
            // more
        }
        slot.flip();
        if (slot.remaining() < HEAD_BYTES || slot.getInt(0) != MAGIC) {
            return false;
        }
        int streams = slot.getInt(4);
        long end = HEAD_BYTES + (long) streams * STREAM_BYTES;
        boolean fits = streams >= 0 && streams <= Header.MOST_STREAMS && end + 4 <= slot.limit();
        if (!fits || slot.getInt((int) end) != crcOf((int) end) || !isPossible(streams)) {
            return false;
        }
        if (slot.getLong(8) < generation) {
            return true;
        }
        generation = slot.getLong(8);
        length = slot.getLong(16);
        lastFrameStart = slot.getLong(24);
        lastFrameCrc = slot.getInt(32);
        places.clear();
        slot.position(HEAD_BYTES);
        for (int i = 0; i < streams; i++) {
            int id = slot.getInt();
            int flags = slot.getInt();
            StreamPlace place = new StreamPlace(slot.getLong());
            place.isNew = (flags & IS_NEW) != 0;
            place.ended = (flags & ENDED) != 0;
            place.nextSequence = slot.getLong();
            place.nextPosition = slot.getLong();
            place.frames = slot.getLong();
            place.bytes = slot.getLong();
            place.lostBytes = slot.getLong();
            place.skippedBytes = slot.getLong();
            slot.getLong();
            places.put(id, place);
        }
        return true;
    }

    /** Whether a slot holds what was written to one: a CRC proves no more than that it is as somebody left it. */
    private boolean isPossible(int streams) {
        boolean possible = slot.getLong(8) >= 0 && slot.getLong(8) < Long.MAX_VALUE; // it will be written once more
        possible &= slot.getLong(16) >= 0 && slot.getLong(24) >= 0;
        for (int stream = 0; stream < streams; stream++) {
            int counts = HEAD_BYTES + stream * STREAM_BYTES + COUNTS_AT;
            for (int at = counts; at < counts + COUNTS * Long.BYTES; at += Long.BYTES) {
                possible &= slot.getLong(at) >= 0;
            }
        }
        return possible;
    }

    private int crcOf(int bytes) {
        CRC32C of = new CRC32C();
        of.update(slot.array(), 0, bytes);
        return (int) of.getValue();
    }

    private int crcOfFile(long from, long to) throws IOException {
        CRC32C of = new CRC32C();
        ByteBuffer some = ByteBuffer.allocate(1 << 16);
        for (long at = from; at < to; at += some.limit()) {
            some.clear().limit((int) Math.min(some.capacity(), to - at));
            while (some.hasRemaining() && file.read(some, at + some.position()) > 0) {
                // more
            }
            of.update(some.flip());
        }
        return (int) of.getValue();
    }

    /** How far each stream had come, by its id. */
    Map<Integer, StreamPlace> places() {
        return places;
    }

    void beginFrame() {
        crc.reset();
    }

    void write(ByteBuffer bytes) throws IOException {
        crc.update(bytes.duplicate());
        length += bytes.remaining();
        try {
            while (bytes.hasRemaining()) {
                file.write(bytes);
            }
        } catch (IOException e) {
            throw new IOException("cannot record to " + path + ": " + e.getMessage(), e);
        }
    }

    /** All of the frame has come. */
    void endFrame() {
        lastFrameStart = frameStart;
        frameStart = length;
        lastFrameCrc = (int) crc.getValue();
    }

    /** It was cut off: nothing of it stays. */
    void forgetFrame() throws IOException {
        length = frameStart;
        truncate(length);
    }

    private void truncate(long bytes) throws IOException {
        if (regular) {
            file.truncate(bytes);
            file.position(bytes);
        }
    }

    /**
     * What was recorded is on the disk when this returns, and after a restart {@code streams} are gone on with, behind the
     * last whole frame.
     */
    void checkpoint(Map<Integer, StreamPlace> streams) throws IOException {
        FileChannel to = journal;
        if (to == null) {
            return;
        }
        try {
            file.force(false);
            generation++;
            slot.clear();
            slot.putInt(MAGIC).putInt(streams.size()).putLong(generation).putLong(frameStart);
            slot.putLong(lastFrameStart).putInt(lastFrameCrc).putInt(0);
            streams.forEach((id, place) -> slot.putInt(id)
                    .putInt((place.isNew ? IS_NEW : 0) | (place.ended ? ENDED : 0))
                    .putLong(place.identity)
                    .putLong(place.nextSequence)
                    .putLong(place.nextPosition)
                    .putLong(place.frames)
                    .putLong(place.bytes)
                    .putLong(place.lostBytes)
                    .putLong(place.skippedBytes)
                    .putLong(0));
            slot.putInt(crcOf(slot.position()));
            slot.flip();
            long at = (generation & 1) * SLOT_BYTES;
            while (slot.hasRemaining()) {
                to.write(slot, at + slot.position());
            }
            to.force(false);
        } catch (IOException e) {
            throw new IOException("cannot record to " + path + ": " + e.getMessage(), e);
        }
    }

    @Override
    public void close() throws IOException {
        if (journal != null) {
            journal.close();
        }
        file.close();
    }
}
