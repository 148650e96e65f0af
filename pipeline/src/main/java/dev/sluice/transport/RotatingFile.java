// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.metrics.Counter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What a file sink writes with: whole frames, one after the other, to one file or to a row of numbered ones.
 *
 * <p>A file is open twice. What is aligned in memory, in length and in the file goes past the page cache, straight from
 * the frame's pages (O_DIRECT); everything else goes through the page cache. The two never write the same page, because
 * the alignment is at least a page, so the kernel keeps them coherent.
 *
 * <p>One thread at a time, which every call may block. It must not be interrupted: an interrupt closes a {@link
 * FileChannel} for good.
 */
public final class RotatingFile implements AutoCloseable {

    /** A page; of smaller blocks, two ways of writing could meet in one page. */
    private static final int LEAST_ALIGNMENT = 4096;

    /** O_DIRECT, or null in a Java without the module jdk.unsupported. By name, because javac warns of that module. */
    private static final @Nullable OpenOption DIRECT = directOption();

    /** What to do with a file that is there already; one that rotates never meets any. */
    public enum Existing {
        APPEND,
        REPLACE,
        REFUSE
    }

    /**
     * Where to write, and how.
     *
     * @param path the file, or with rotation what the numbered names are made of: {@code adc.raw} becomes {@code
     *     adc-000001.raw}
     * @param direct whether to go past the page cache where the file system takes that
     * @param rotateBytes a new file is begun before this one would become larger; 0: never
     * @param rotateAfter a new file is begun by the first frame that comes this long after the first of the file; zero:
     *     never
     * @param existing without rotation, what becomes of a file that is there when the run starts
     */
    public record Settings(Path path, boolean direct, long rotateBytes, Duration rotateAfter, Existing existing) {

        boolean rotates() {
            return rotateBytes > 0 || rotateAfter.isPositive();
        }
    }

    /**
     * The disk, or what the user may use of it, is full. Nothing of the frame is in the file, and it may be tried again.
     */
    public static final class DiskFullException extends IOException {

        private static final long serialVersionUID = 1L;

        private final long writtenBytes;

        private DiskFullException(Path file, long writtenBytes, IOException cause) {
            super(
                    file + ": the disk is full (" + reason(cause) + "), with " + writtenBytes
                            + " bytes in that file; delete something, or write to another disk",
                    cause);
            this.writtenBytes = writtenBytes;
        }

        /** What the file holds, in whole frames. */
        public long writtenBytes() {
            return writtenBytes;
        }
    }

    /** An open file. */
    private static final class Output {

        // Constant after init.
        final Path path;
        final FileChannel buffered;

        /** Null where O_DIRECT is not wanted or not possible. */
        @Nullable
        FileChannel direct;

        int alignment = LEAST_ALIGNMENT;

        /** Behind the last whole frame. */
        long end;

        /** Whether there may be something behind the end: part of a frame that failed. */
        boolean ragged;

        long firstFrameNanos;

        Output(Path path, FileChannel buffered) throws IOException {
            this.path = path;
            this.buffered = buffered;
            this.end = buffered.size();
        }

        /** Whether a piece can go past the page cache to where it belongs. */
        boolean aligned(ByteBuffer piece, long at) {
            int mask = alignment - 1;
            return (at & mask) == 0
                    && (piece.remaining() & mask) == 0
                    && piece.isDirect()
                    && piece.alignmentOffset(piece.position(), alignment) == 0;
        }

        void cutRaggedEnd() throws IOException {
            if (ragged) {
                buffered.truncate(end);
                ragged = false;
            }
        }
    }

    private final Settings settings;
    private final LongSupplier nanoClock;
    private final Counter directBytes = new Counter();
    private final Counter bufferedBytes = new Counter();

    /** Written by the owner, read by whoever shows it. */
    private volatile String bufferedReason = "";

    // Owner only.
    private @Nullable Output output;
    private long frameDirectBytes;
    private boolean closed;

    private RotatingFile(Settings settings, LongSupplier nanoClock) {
        this.settings = settings;
        this.nanoClock = nanoClock;
    }

    /**
     * Checks the path and opens the first file; a file that is to be replaced is empty from then on.
     *
     * @throws IOException if there is nothing to write to; the message names the path and says what to do
     */
    public static RotatingFile open(Settings settings) throws IOException {
        return open(settings, System::nanoTime);
    }

    static RotatingFile open(Settings settings, LongSupplier nanoClock) throws IOException {
        check(settings);
        RotatingFile file = new RotatingFile(settings, nanoClock);
        file.output = file.begin();
        return file;
    }

    private static @Nullable OpenOption directOption() {
        try {
            for (Object option :
                    Class.forName("com.sun.nio.file.ExtendedOpenOption").getEnumConstants()) {
                if (option.toString().equals("DIRECT")) {
                    return (OpenOption) option;
                }
            }
        } catch (ClassNotFoundException e) {
            return null;
        }
        return null;
    }

    private static void check(Settings settings) throws IOException {
        Path path = settings.path();
        boolean exists = Files.exists(path);
        if (Files.isDirectory(path)) {
            throw refusal(path, "it is a folder; name a file in it");
        }
        if (exists && !Files.isRegularFile(path)) {
            throw refusal(path, "it is not a regular file; name another one");
        }
        if (exists && !settings.rotates()) {
            if (settings.existing() == Existing.REFUSE) {
                throw refusal(path, "it exists already; move it away, or choose append or replace");
            }
            if (!Files.isWritable(path)) {
                throw refusal(path, "this user may not write to it; change its permissions, or name another one");
            }
            return;
        }
        Path folder = folder(path);
        if (!Files.exists(folder)) {
            throw refusal(path, "the folder " + folder + " does not exist; create it");
        }
        if (!Files.isDirectory(folder)) {
            throw refusal(path, folder + " is not a folder; name a file in one");
        }
        if (!Files.isWritable(folder)) {
            throw refusal(
                    path,
                    "this user may not write to the folder " + folder + "; change its permissions, or name another");
        }
    }

    private static Path folder(Path path) {
        Path absolute = path.toAbsolutePath();
        return Objects.requireNonNullElse(absolute.getParent(), absolute);
    }

    /**
     * Writes one frame, all of it, into one file; first begins a new file if it is time to. The pieces' positions and
     * limits stay as they are, so that the frame may be tried again. When this returns or throws, nobody reads their
     * memory any more: both ways of writing are synchronous.
     *
     * @param pieces the frame's bytes, from position to limit of each; those in page-backed direct buffers may go past the
     *     page cache
     * @param count how many of the pieces belong to the frame
     * @throws DiskFullException if it does not fit; the object stays usable, and nothing of the frame is in the file
     * @throws IOException if it cannot be written; the message names the file
     */
    public void write(ByteBuffer[] pieces, int count) throws IOException {
        if (closed) {
            throw new IllegalStateException(settings.path() + " is closed");
        }
        long frameBytes = 0;
        for (int i = 0; i < count; i++) {
            frameBytes += pieces[i].remaining();
        }
        if (frameBytes == 0) {
            return;
        }
        Output to = outputFor(frameBytes);
        try {
            to.cutRaggedEnd();
            to.ragged = true;
            frameDirectBytes = 0;
            long at = to.end;
            for (int i = 0; i < count; i++) {
                ByteBuffer piece = pieces[i];
                int start = piece.position();
                try {
                    at += writePiece(to, piece, at);
                } finally {
                    piece.position(start);
                }
            }
        } catch (IOException e) {
            IOException told = failure(to, e, frameBytes); // which looks at the space that is left now
            try {
                to.cutRaggedEnd();
            } catch (IOException again) {
                told.addSuppressed(again); // and the next write tries again
            }
            throw told;
        }
        to.ragged = false;
        to.end += frameBytes;
        directBytes.add(frameDirectBytes);
        bufferedBytes.add(frameBytes - frameDirectBytes);
    }

    private long writePiece(Output to, ByteBuffer piece, long start) throws IOException {
        long at = start;
        while (piece.hasRemaining()) {
            FileChannel direct = to.direct;
            if (direct == null || !to.aligned(piece, at)) {
                at += to.buffered.write(piece, at);
                continue;
            }
            try {
                int written = direct.write(piece, at);
                at += written;
                frameDirectBytes += written;
            } catch (IOException e) {
                boolean first = frameDirectBytes == 0 && directBytes.value() == 0;
                if (!first || e instanceof ClosedChannelException || full(e, to.path, piece.remaining())) {
                    throw e;
                }
                // Some file systems take the flag and then no write; what is really broken fails again, buffered.
                bufferedReason = "the file system refuses to write with O_DIRECT: " + reason(e);
                to.direct = null;
                direct.close();
            }
        }
        return at - start;
    }

    /** The open file, or a new one if the open one is too full or too old for another frame. */
    private Output outputFor(long frameBytes) throws IOException {
        Output to = output;
        if (to != null && to.end > 0 && settings.rotates() && isDone(to, frameBytes)) {
            output = null; // whatever finishing it says, nothing more goes into it
            finish(to);
            to = null;
        }
        if (to == null) {
            to = begin();
            output = to;
        }
        if (to.end == 0) {
            to.firstFrameNanos = nanoClock.getAsLong();
        }
        return to;
    }

    private boolean isDone(Output to, long frameBytes) {
        boolean large = settings.rotateBytes() > 0 && frameBytes > settings.rotateBytes() - to.end;
        return large
                || (settings.rotateAfter().isPositive()
                        && nanoClock.getAsLong() - to.firstFrameNanos
                                >= TimeUnit.NANOSECONDS.convert(settings.rotateAfter()));
    }

    private Output begin() throws IOException {
        if (settings.rotates()) {
            return beginNumbered();
        }
        return switch (settings.existing()) {
            case REFUSE -> begin(settings.path(), StandardOpenOption.CREATE_NEW);
            case APPEND -> begin(settings.path(), StandardOpenOption.CREATE);
            case REPLACE -> begin(settings.path(), StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING);
        };
    }

    private Output beginNumbered() throws IOException {
        Path path = settings.path();
        String name = String.valueOf(path.getFileName());
        int dot = name.lastIndexOf('.');
        String stem = dot > 0 ? name.substring(0, dot) : name;
        String ending = dot > 0 ? name.substring(dot) : "";
        for (long number = highest(path, stem, ending) + 1; ; number++) {
            try {
                return begin(
                        path.resolveSibling(stem + "-" + "%06d".formatted(number) + ending),
                        StandardOpenOption.CREATE_NEW);
            } catch (IOException e) {
                if (!(e.getCause() instanceof FileAlreadyExistsException)) {
                    throw e;
                }
                // somebody else made it just now: the next number is free, or the one after it
            }
        }
    }

    private static long highest(Path path, String stem, String ending) throws IOException {
        Pattern numbered = Pattern.compile(Pattern.quote(stem) + "-(\\d{6,18})" + Pattern.quote(ending));
        long highest = 0;
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder(path))) {
            for (Path file : files) {
                Matcher matcher = numbered.matcher(String.valueOf(file.getFileName()));
                if (matcher.matches()) {
                    highest = Math.max(highest, Long.parseLong(matcher.group(1)));
                }
            }
        } catch (IOException e) {
            throw new IOException("cannot list the folder of " + path + ": " + reason(e), e);
        }
        return highest;
    }

    private Output begin(Path path, OpenOption... options) throws IOException {
        OpenOption[] all = new OpenOption[options.length + 1];
        System.arraycopy(options, 0, all, 0, options.length);
        all[options.length] = StandardOpenOption.WRITE;
        try {
            Output begun = new Output(path, FileChannel.open(path, all));
            if (settings.direct() && bufferedReason.isEmpty()) {
                openDirect(begun);
            }
            return begun;
        } catch (IOException e) {
            if (full(e, path, 0)) {
                throw new DiskFullException(path, 0, e);
            }
            throw new IOException("cannot write to " + path + ": " + reason(e), e);
        }
    }

    /** Opens the file for writing past the page cache, too, or keeps the reason why that is not possible. */
    private void openDirect(Output begun) {
        if (DIRECT == null) {
            bufferedReason = "this Java knows no O_DIRECT: it lacks the module jdk.unsupported";
            return;
        }
        try {
            long blockBytes = Files.getFileStore(begun.path).getBlockSize();
            if (blockBytes > 1 << 30 || Long.bitCount(blockBytes) != 1) {
                bufferedReason =
                        "the file system's blocks are of " + blockBytes + " bytes, which memory is not aligned to";
                return;
            }
            begun.alignment = Math.max(LEAST_ALIGNMENT, (int) blockBytes);
            begun.direct = FileChannel.open(begun.path, StandardOpenOption.WRITE, DIRECT);
        } catch (IOException | UnsupportedOperationException e) {
            bufferedReason = "the file system refuses to open with O_DIRECT: "
                    + (e instanceof IOException io ? reason(io) : e.getMessage());
        }
    }

    /** Bytes that went past the page cache. Frames that failed do not count. */
    public Counter directBytes() {
        return directBytes;
    }

    /** Bytes that went through the page cache. Frames that failed do not count. */
    public Counter bufferedBytes() {
        return bufferedBytes;
    }

    /** Why everything goes through the page cache although it should not, or empty. */
    public String bufferedReason() {
        return bufferedReason;
    }

    /** The file that is being written, or was last. */
    public Path path() {
        Output to = output;
        return to != null ? to.path : settings.path();
    }

    /**
     * Writes what the page cache holds to the disk, and closes. A numbered file without a frame in it is deleted. A
     * second call does nothing.
     */
    @Override
    public void close() throws IOException {
        closed = true;
        Output last = output;
        output = null;
        if (last != null) {
            finish(last);
        }
    }

    private void finish(Output to) throws IOException {
        IOException problem = null;
        try {
            to.cutRaggedEnd();
            to.buffered.force(true); // of the file, so of what went by the other channel as well
        } catch (IOException e) {
            problem = failure(to, e, 0);
        }
        for (FileChannel channel : new FileChannel[] {to.direct, to.buffered}) {
            try {
                if (channel != null) {
                    channel.close();
                }
            } catch (IOException e) {
                problem = problem != null ? problem : failure(to, e, 0);
            }
        }
        if (problem != null) {
            throw problem;
        }
        if (settings.rotates() && to.end == 0) {
            Files.deleteIfExists(to.path);
        }
    }

    private static IOException refusal(Path path, String why) {
        return new IOException("cannot write to " + path + ": " + why);
    }

    private static IOException failure(Output to, IOException cause, long wantedBytes) {
        if (full(cause, to.path, wantedBytes)) {
            return new DiskFullException(to.path, to.end, cause);
        }
        return new IOException("cannot write to " + to.path + ": " + reason(cause), cause);
    }

    private static boolean full(IOException e, Path file, long wantedBytes) {
        if (e instanceof ClosedChannelException) {
            return false;
        }
        String reason = reason(e);
        if (reason.contains("No space left on device") || reason.contains("Disk quota exceeded")) {
            return true;
        }
        try { // the C library says it in the user's language
            return Files.getFileStore(file).getUsableSpace() < wantedBytes;
        } catch (IOException unknown) {
            return false;
        }
    }

    private static String reason(IOException e) {
        return switch (e) {
            case AccessDeniedException denied -> "this user may not write there";
            case NoSuchFileException gone -> "its folder does not exist any more";
            case FileAlreadyExistsException exists -> "it exists already";
            case FileSystemException other when other.getReason() != null -> other.getReason();
            case ClosedByInterruptException interrupted ->
                "the thread that writes was interrupted, which closes the file";
            case ClosedChannelException closed -> "the file is closed";
            default -> String.valueOf(e.getMessage());
        };
    }
}
