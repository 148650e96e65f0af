// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.RandomCases;
import dev.sluice.linux.SharedMemory;
import dev.sluice.transport.RotatingFile.DiskFullException;
import dev.sluice.transport.RotatingFile.Existing;
import dev.sluice.transport.RotatingFile.Settings;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

final class RotatingFileTest {

    private static final int PAGE = 4096;
    private static final int MEMORY_BYTES = 1 << 20;

    private static SharedMemory memory;
    private static ByteBuffer frames;

    @TempDir
    private Path folder;

    @BeforeAll
    static void fillMemory() throws Exception {
        memory = SharedMemory.anonymous("test", MEMORY_BYTES);
        MemorySegment segment = memory.segment();
        frames = segment.asByteBuffer();
        for (int at = 0; at < MEMORY_BYTES; at++) {
            frames.put(at, (byte) (at * 31 + (at >> 8) * 7 + (at >> 16)));
        }
    }

    @AfterAll
    static void unmap() {
        memory.close();
    }

    private Path path() {
        return folder.resolve("adc.raw");
    }

    private static Settings single(Path path, boolean direct, Existing existing) {
        return new Settings(path, direct, 0, Duration.ZERO, existing);
    }

    private static Settings rotating(Path path, long bytes, Duration after) {
        return new Settings(path, false, bytes, after, Existing.REFUSE);
    }

    private static ByteBuffer[] pieces(int... offsetsAndLengths) {
        ByteBuffer[] pieces = new ByteBuffer[offsetsAndLengths.length / 2];
        for (int i = 0; i < pieces.length; i++) {
            pieces[i] = frames.slice(offsetsAndLengths[2 * i], offsetsAndLengths[2 * i + 1]);
        }
        return pieces;
    }

    private static void write(RotatingFile file, int... offsetsAndLengths) throws IOException {
        ByteBuffer[] pieces = pieces(offsetsAndLengths);
        file.write(pieces, pieces.length);
    }

    private static byte[] bytes(int... offsetsAndLengths) {
        return bytes(pieces(offsetsAndLengths));
    }

    private static byte[] bytes(ByteBuffer... pieces) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (ByteBuffer piece : pieces) {
            byte[] one = new byte[piece.remaining()];
            piece.get(piece.position(), one);
            all.writeBytes(one);
        }
        return all.toByteArray();
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    /** Whether the file system of the test's folder takes O_DIRECT; asked of dd, not of the code under test. */
    private static boolean takesDirect(Path folder) throws Exception {
        Path probe = folder.resolve("probe");
        boolean taken = run("dd", "if=/dev/zero", "of=" + probe, "bs=4096", "count=1", "oflag=direct") == 0;
        Files.deleteIfExists(probe);
        return taken;
    }

    private static int run(String... command) throws Exception {
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        return process.exitValue();
    }

    private static void onMount(Path mount, String type, String options, Mounted test) throws Exception {
        Files.createDirectory(mount);
        boolean mounted;
        try {
            mounted = run("mount", "-t", type, "-o", options, "sluice-test", mount.toString()) == 0;
        } catch (IOException noSuchCommand) {
            mounted = false;
        }
        assumeTrue(mounted, "this user may mount a file system");
        try {
            test.run(mount);
        } finally {
            assertThat(run("umount", mount.toString())).isZero();
        }
    }

    @FunctionalInterface
    private interface Mounted {
        void run(Path mount) throws Exception;
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theFileHoldsTheFramesInOrder(boolean direct) throws Exception {
        try (RotatingFile file = RotatingFile.open(single(path(), direct, Existing.REFUSE))) {
            write(file, 0, 2 * PAGE);
            write(file, PAGE, PAGE, 3 * PAGE, PAGE);
            write(file);
            write(file, 5, 100, 0, 0, 7000, 3);
            assertThat(file.path()).isEqualTo(path());
            assertThat(file.directBytes().value() + file.bufferedBytes().value())
                    .isEqualTo(4 * PAGE + 103);
        }
        assertThat(Files.readAllBytes(path()))
                .isEqualTo(bytes(0, 2 * PAGE, PAGE, PAGE, 3 * PAGE, PAGE, 5, 100, 7000, 3));
    }

    @Test
    void alignedBytesGoPastThePageCacheUntilAFrameIsNotAndFromWhenTheyAreAgain() throws Exception {
        assumeTrue(takesDirect(folder), "the file system takes O_DIRECT");
        try (RotatingFile file = RotatingFile.open(single(path(), true, Existing.REFUSE))) {
            write(file, 0, 8 * PAGE);
            assertThat(file.bufferedReason()).isEmpty();
            assertThat(file.directBytes().value()).isEqualTo(8 * PAGE);
            assertThat(file.bufferedBytes().value()).isZero();

            write(file, PAGE, 1000);
            write(file, 2 * PAGE, PAGE);
            assertThat(file.directBytes().value()).isEqualTo(8 * PAGE);
            assertThat(file.bufferedBytes().value()).isEqualTo(1000 + PAGE);

            write(file, 3 * PAGE, PAGE - 1000);
            write(file, 4 * PAGE, 3 * PAGE);
            assertThat(file.directBytes().value()).isEqualTo(11 * PAGE);
            assertThat(file.bufferedBytes().value()).isEqualTo(2 * PAGE);

            write(file, 4 * PAGE + 512, 2 * PAGE);
            assertThat(file.directBytes().value())
                    .as("memory that is not aligned")
                    .isEqualTo(11 * PAGE);
            file.write(new ByteBuffer[] {ByteBuffer.wrap(bytes(0, PAGE))}, 1);
            assertThat(file.directBytes().value()).as("memory of the heap").isEqualTo(11 * PAGE);
            write(file, 0, PAGE);
            assertThat(file.directBytes().value()).isEqualTo(12 * PAGE);
            assertThat(file.bufferedReason()).isEmpty();
        }
        assertThat(Files.readAllBytes(path()))
                .isEqualTo(bytes(
                        0,
                        8 * PAGE,
                        PAGE,
                        1000,
                        2 * PAGE,
                        PAGE,
                        3 * PAGE,
                        PAGE - 1000,
                        4 * PAGE,
                        3 * PAGE,
                        4 * PAGE + 512,
                        2 * PAGE,
                        0,
                        PAGE,
                        0,
                        PAGE));
    }

    @Test
    void withoutDirectEverythingIsBufferedAndNeedsNoReason() throws Exception {
        try (RotatingFile file = RotatingFile.open(single(path(), false, Existing.REFUSE))) {
            write(file, 0, 8 * PAGE);
            assertThat(file.directBytes().value()).isZero();
            assertThat(file.bufferedBytes().value()).isEqualTo(8 * PAGE);
            assertThat(file.bufferedReason()).isEmpty();
        }
    }

    @Test
    void aFileSystemWithoutDirectIsWrittenBufferedAndTheReasonIsKept() throws Exception {
        onMount(folder.resolve("ram"), "ramfs", "mode=700", ram -> {
            Path path = ram.resolve("adc.raw");
            try (RotatingFile file = RotatingFile.open(single(path, true, Existing.REFUSE))) {
                write(file, 0, 8 * PAGE);
                assertThat(file.bufferedReason()).contains("O_DIRECT").contains("Invalid argument");
                assertThat(file.bufferedBytes().value()).isEqualTo(8 * PAGE);
            }
            assertThat(Files.readAllBytes(path)).isEqualTo(bytes(0, 8 * PAGE));
        });
    }

    @Test
    void anyMixtureOfPiecesIsWrittenWholeAndOnce() {
        RandomCases.run(30, random -> {
            Path file = folder.resolve("adc-" + random.nextLong(Long.MAX_VALUE));
            ByteArrayOutputStream expected = new ByteArrayOutputStream();
            try (RotatingFile to = RotatingFile.open(single(file, true, Existing.REFUSE))) {
                for (int frame = 0; frame < 30; frame++) {
                    ByteBuffer[] pieces = randomPieces(random);
                    int count = random.nextInt(pieces.length + 1);
                    int[] positions =
                            Arrays.stream(pieces).mapToInt(ByteBuffer::position).toArray();
                    to.write(pieces, count);
                    expected.writeBytes(bytes(Arrays.copyOf(pieces, count)));
                    assertThat(pieces).extracting(ByteBuffer::position).containsExactly(boxed(positions));
                }
                assertThat(to.directBytes().value() + to.bufferedBytes().value())
                        .isEqualTo(expected.size());
            }
            assertThat(Files.readAllBytes(file)).isEqualTo(expected.toByteArray());
            Files.delete(file);
        });
    }

    /** Often aligned, so that the file's end is aligned now and then. */
    private static ByteBuffer[] randomPieces(RandomGenerator random) {
        ByteBuffer[] pieces = new ByteBuffer[1 + random.nextInt(4)];
        for (int i = 0; i < pieces.length; i++) {
            boolean aligned = random.nextInt(4) > 0;
            int offset = aligned ? PAGE * random.nextInt(100) : random.nextInt(MEMORY_BYTES / 2);
            int length = aligned ? PAGE * random.nextInt(8) : random.nextInt(3 * PAGE);
            ByteBuffer piece = frames.duplicate().position(offset).limit(offset + length);
            pieces[i] = random.nextInt(10) == 0 ? ByteBuffer.wrap(bytes(piece)) : piece;
        }
        return pieces;
    }

    private static Integer[] boxed(int[] values) {
        return Arrays.stream(values).boxed().toArray(Integer[]::new);
    }

    @Test
    void aNewFileIsBegunBeforeOneGrowsTooLarge() throws Exception {
        try (RotatingFile file = RotatingFile.open(rotating(path(), 3000, Duration.ZERO))) {
            write(file, 0, 1000);
            write(file, 1000, 2000);
            assertThat(names()).containsExactly("adc-000001.raw");
            write(file, 3000, 1);
            write(file, 4000, 5000);
            write(file, 9000, 2999);
            assertThat(file.path()).isEqualTo(folder.resolve("adc-000004.raw"));
        }
        assertThat(names()).containsExactly("adc-000001.raw", "adc-000002.raw", "adc-000003.raw", "adc-000004.raw");
        assertThat(Files.readAllBytes(folder.resolve("adc-000001.raw"))).isEqualTo(bytes(0, 3000));
        assertThat(Files.readAllBytes(folder.resolve("adc-000002.raw"))).isEqualTo(bytes(3000, 1));
        assertThat(Files.readAllBytes(folder.resolve("adc-000003.raw")))
                .as("a frame larger than a file may be stays whole")
                .isEqualTo(bytes(4000, 5000));
        assertThat(Files.readAllBytes(folder.resolve("adc-000004.raw"))).isEqualTo(bytes(9000, 2999));
    }

    @Test
    void aNewFileIsBegunWhenTheFirstFrameOfOneIsOldEnough() throws Exception {
        AtomicLong nanos = new AtomicLong(Long.MAX_VALUE - 5); // a nano clock may overflow
        try (RotatingFile file = RotatingFile.open(rotating(path(), 0, Duration.ofSeconds(10)), nanos::get)) {
            nanos.addAndGet(TimeUnit.SECONDS.toNanos(60));
            write(file, 0, 10);
            nanos.addAndGet(TimeUnit.SECONDS.toNanos(10) - 1);
            write(file, 10, 10);
            assertThat(names()).containsExactly("adc-000001.raw");
            nanos.addAndGet(1);
            write(file, 20, 10);
            nanos.addAndGet(TimeUnit.SECONDS.toNanos(9));
            write(file, 30, 10);
        }
        assertThat(names()).containsExactly("adc-000001.raw", "adc-000002.raw");
        assertThat(Files.readAllBytes(folder.resolve("adc-000001.raw"))).isEqualTo(bytes(0, 20));
        assertThat(Files.readAllBytes(folder.resolve("adc-000002.raw"))).isEqualTo(bytes(20, 20));
    }

    @Test
    void whicheverLimitComesFirstBeginsTheNewFile() throws Exception {
        AtomicLong nanos = new AtomicLong();
        try (RotatingFile file = RotatingFile.open(rotating(path(), 100, Duration.ofNanos(50)), nanos::get)) {
            write(file, 0, 60);
            write(file, 60, 60);
            nanos.set(50);
            write(file, 120, 10);
        }
        assertThat(names()).containsExactly("adc-000001.raw", "adc-000002.raw", "adc-000003.raw");
    }

    @Test
    void aLengthOfTimeBeyondAllClocksIsNever() throws Exception {
        try (RotatingFile file = RotatingFile.open(rotating(path(), 0, Duration.ofSeconds(Long.MAX_VALUE)))) {
            write(file, 0, 10);
            write(file, 10, 10);
        }
        assertThat(names()).containsExactly("adc-000001.raw");
    }

    @Test
    void numbersGoOnAfterTheHighestAndNothingIsOverwritten() throws Exception {
        Files.writeString(folder.resolve("adc-000002.raw"), "two");
        Files.writeString(folder.resolve("adc-1000000.raw"), "a million");
        for (String other :
                List.of("adc-2000000.dat", "adcs-2000000.raw", "adc-x000001.raw", "adc-99.raw", "adc.raw")) {
            Files.writeString(folder.resolve(other), "another");
        }
        try (RotatingFile file = RotatingFile.open(rotating(path(), 10, Duration.ZERO))) {
            write(file, 0, 10);
            Files.writeString(folder.resolve("adc-1000002.raw"), "made meanwhile");
            write(file, 10, 10);
        }
        assertThat(names()).hasSize(10);
        assertThat(folder.resolve("adc-1000000.raw")).hasContent("a million");
        assertThat(Files.readAllBytes(folder.resolve("adc-1000001.raw"))).isEqualTo(bytes(0, 10));
        assertThat(folder.resolve("adc-1000002.raw")).hasContent("made meanwhile");
        assertThat(Files.readAllBytes(folder.resolve("adc-1000003.raw"))).isEqualTo(bytes(10, 10));
    }

    @ParameterizedTest
    @CsvSource({"adc, adc-000001", ".adc, .adc-000001", "a.tar.gz, a.tar-000001.gz", "a[1]*.raw, a[1]*-000001.raw"})
    void theNumberStandsBeforeTheEnding(String name, String numbered) throws Exception {
        try (RotatingFile file = RotatingFile.open(rotating(folder.resolve(name), 10, Duration.ZERO))) {
            write(file, 0, 1);
        }
        assertThat(names()).containsExactly(numbered);
    }

    @Test
    void aNumberedFileWithoutAFrameIsNotLeftBehind() throws Exception {
        RotatingFile.open(rotating(path(), 10, Duration.ZERO)).close();
        assertThat(names()).isEmpty();
    }

    @Test
    void whatIsThereIsAppendedTo() throws Exception {
        Files.write(path(), bytes(0, PAGE));
        try (RotatingFile file = RotatingFile.open(single(path(), true, Existing.APPEND))) {
            write(file, PAGE, PAGE);
            write(file, 2 * PAGE, 10);
        }
        try (RotatingFile file = RotatingFile.open(single(path(), true, Existing.APPEND))) {
            write(file, 2 * PAGE + 10, PAGE);
        }
        assertThat(Files.readAllBytes(path())).isEqualTo(bytes(0, 3 * PAGE + 10));
    }

    @Test
    void whatIsThereIsReplaced() throws Exception {
        Files.write(path(), bytes(0, 3 * PAGE));
        try (RotatingFile file = RotatingFile.open(single(path(), true, Existing.REPLACE))) {
            write(file, PAGE, 10);
        }
        assertThat(Files.readAllBytes(path())).isEqualTo(bytes(PAGE, 10));
    }

    @Test
    void whatIsThereIsRefusedAndStays() throws Exception {
        Files.writeString(path(), "old");
        assertThatThrownBy(() -> RotatingFile.open(single(path(), true, Existing.REFUSE)))
                .isInstanceOf(IOException.class)
                .hasMessage("cannot write to %s: it exists already; move it away, or choose append or replace", path());
        assertThat(path()).hasContent("old");
    }

    @ParameterizedTest
    @EnumSource(Existing.class)
    void whatIsNotThereIsMade(Existing existing) throws Exception {
        try (RotatingFile file = RotatingFile.open(single(path(), true, existing))) {
            write(file, 0, 10);
        }
        assertThat(Files.readAllBytes(path())).isEqualTo(bytes(0, 10));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aPathThatCannotBeIsRefusedWithWhatToDo(boolean rotates) throws Exception {
        Path regular = Files.writeString(folder.resolve("regular"), "x");
        Path missing = folder.resolve("missing");
        assertRefused(folder, rotates, "it is a folder; name a file in it");
        assertRefused(Path.of("/"), rotates, "it is a folder; name a file in it");
        assertRefused(Path.of("/dev/null"), rotates, "it is not a regular file; name another one");
        assertRefused(missing.resolve("adc.raw"), rotates, "the folder " + missing + " does not exist; create it");
        assertRefused(regular.resolve("adc.raw"), rotates, regular + " is not a folder; name a file in one");
        assertThat(names()).containsExactly("regular");
    }

    private static void assertRefused(Path path, boolean rotates, String why) {
        Settings settings = rotates ? rotating(path, 1, Duration.ZERO) : single(path, true, Existing.APPEND);
        assertThatThrownBy(() -> RotatingFile.open(settings))
                .isInstanceOf(IOException.class)
                .hasMessage("cannot write to " + path + ": " + why);
    }

    /** Root may write everywhere, except where nobody may. */
    @Test
    void aFolderThatIsReadOnlyIsRefusedWithWhatToDo() throws Exception {
        onMount(folder.resolve("ro"), "tmpfs", "ro,size=1m", readOnly -> {
            for (boolean rotates : new boolean[] {true, false}) {
                assertRefused(
                        readOnly.resolve("adc.raw"),
                        rotates,
                        "this user may not write to the folder " + readOnly
                                + "; change its permissions, or name another");
            }
        });
    }

    @Test
    void aFileOrFolderOfAnotherUserIsRefusedWithWhatToDo() throws Exception {
        Path file = Files.writeString(folder.resolve("locked.raw"), "x");
        Path locked = Files.createDirectory(folder.resolve("locked"));
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--r--r--"));
        Files.setPosixFilePermissions(locked, PosixFilePermissions.fromString("r-xr-xr-x"));
        assumeTrue(!Files.isWritable(file), "this user is not root");
        assertRefused(file, false, "this user may not write to it; change its permissions, or name another one");
        assertRefused(
                locked.resolve("adc.raw"),
                false,
                "this user may not write to the folder " + locked + "; change its permissions, or name another");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aFullDiskLeavesWholeFramesAndTheFrameMayBeTriedAgain(boolean direct) throws Exception {
        onMount(folder.resolve("small"), "tmpfs", "size=1m", small -> {
            Path path = small.resolve("adc.raw");
            Path ballast = Files.write(small.resolve("ballast"), new byte[600 * 1024]);
            try (RotatingFile file = RotatingFile.open(single(path, direct, Existing.REFUSE))) {
                write(file, 0, 64 * PAGE);
                ByteBuffer[] large = pieces(64 * PAGE, 10, 64 * PAGE + 10, 128 * PAGE - 10);
                for (int attempt = 0; attempt < 3; attempt++) {
                    assertThatThrownBy(() -> file.write(large, 2))
                            .isInstanceOfSatisfying(
                                    DiskFullException.class,
                                    full -> assertThat(full.writtenBytes()).isEqualTo(64 * PAGE))
                            .hasMessage(
                                    "%s: the disk is full (No space left on device), with %d bytes in that file; "
                                            + "delete something, or write to another disk",
                                    path, 64 * PAGE);
                    assertThat(path).hasSize(64 * PAGE);
                }
                assertThat(file.directBytes().value() + file.bufferedBytes().value())
                        .isEqualTo(64 * PAGE);
                write(file, 64 * PAGE, PAGE);
                Files.delete(ballast);
                write(file, 65 * PAGE, 127 * PAGE);
                assertThat(file.bufferedReason()).isEmpty();
            }
            assertThat(Files.readAllBytes(path)).isEqualTo(bytes(0, 192 * PAGE));
        });
    }

    @Test
    void aDiskThatIsFullWhenAFileIsToBeBegunIsToldAndTriedAgain() throws Exception {
        onMount(folder.resolve("small"), "tmpfs", "size=1m,nr_inodes=3", small -> {
            Path taken = Files.createFile(small.resolve("taken"));
            Path path = small.resolve("adc.raw");
            try (RotatingFile file = RotatingFile.open(rotating(path, 10, Duration.ZERO))) {
                write(file, 0, 10);
                assertThatThrownBy(() -> write(file, 10, 10))
                        .isInstanceOf(DiskFullException.class)
                        .hasMessageContaining("adc-000002.raw: the disk is full");
                Files.delete(taken);
                write(file, 10, 10);
            }
            assertThat(Files.readAllBytes(small.resolve("adc-000001.raw"))).isEqualTo(bytes(0, 10));
            assertThat(Files.readAllBytes(small.resolve("adc-000002.raw"))).isEqualTo(bytes(10, 10));
        });
    }

    @Test
    void anInterruptIsToldInWords() throws Exception {
        RotatingFile file = RotatingFile.open(single(path(), false, Existing.REFUSE));
        Thread.currentThread().interrupt();
        assertThatThrownBy(() -> write(file, 0, 10))
                .isInstanceOf(IOException.class)
                .isNotInstanceOf(DiskFullException.class)
                .hasMessage(
                        "cannot write to %s: the thread that writes was interrupted, which closes the file", path());
        assertThat(Thread.interrupted()).isTrue();
        assertThatThrownBy(file::close).hasMessage("cannot write to %s: the file is closed", path());
    }

    @Test
    void aFolderThatWentAwayIsNamed() throws Exception {
        Path gone = Files.createDirectory(folder.resolve("gone"));
        RotatingFile file = RotatingFile.open(rotating(gone.resolve("adc.raw"), 10, Duration.ZERO));
        write(file, 0, 10);
        Files.delete(gone.resolve("adc-000001.raw"));
        Files.delete(gone);
        assertThatThrownBy(() -> write(file, 0, 10))
                .isInstanceOf(IOException.class)
                .isNotInstanceOf(FileSystemException.class)
                .hasMessageContaining(gone.resolve("adc.raw").toString());
        Files.createDirectory(gone);
        write(file, 20, 10);
        file.close();
        assertThat(Files.readAllBytes(gone.resolve("adc-000001.raw"))).isEqualTo(bytes(20, 10));
    }

    @Test
    void closingTwiceIsNothingAndWritingAfterwardsAMistake() throws Exception {
        RotatingFile file = RotatingFile.open(single(path(), true, Existing.REFUSE));
        write(file, 0, 10);
        file.close();
        assertThatCode(file::close).doesNotThrowAnyException();
        assertThatThrownBy(() -> write(file, 0, 10))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage(path() + " is closed");
        assertThat(Files.readAllBytes(path())).isEqualTo(bytes(0, 10));
    }
}
