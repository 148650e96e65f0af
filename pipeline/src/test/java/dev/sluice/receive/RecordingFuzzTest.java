// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import dev.sluice.Fuzz;
import dev.sluice.wire.Header;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever stands beside a recorded file, it is gone on with, or left alone with one line that says why. */
final class RecordingFuzzTest {

    private static final int SLOT_BYTES = 8192;
    private static final long MOST_BYTES = 1 << 20;

    @TempDir
    private Path folder;

    @Test
    void aPlaceCanSayWhatItLikes() throws Exception {
        Fuzz.run("place file", Duration.ofSeconds(5), this::openHarmed);
    }

    private void openHarmed(RandomGenerator random, Fuzz.Tally tally) throws IOException {
        Path file = folder.resolve("file");
        Path beside = folder.resolve("file.place");
        Files.deleteIfExists(beside);
        Files.deleteIfExists(file);
        record(file, random);
        byte[] place = Files.readAllBytes(beside);
        byte[] recorded = Files.readAllBytes(file);
        for (int i = 0; i < 20; i++) {
            byte[] harmed = harm(place, random);
            byte[] before = random.nextInt(4) > 0 ? recorded : Arrays.copyOf(recorded, random.nextInt(recorded.length));
            Files.write(beside, harmed);
            Files.write(file, before);
            tally.begin(harmed);
            Map<Integer, StreamPlace> places = open(file, before, tally);
            if (!places.isEmpty() && random.nextInt(16) == 0) { // it waits for the disk
                reopen(file, places);
            }
        }
    }

    /** A file with two places, as a receiver leaves it that was stopped. */
    private static void record(Path file, RandomGenerator random) throws IOException {
        try (Recording recording = Recording.open(file, true)) {
            Map<Integer, StreamPlace> places = new TreeMap<>();
            for (int streams = random.nextInt(8) == 0 ? Header.MOST_STREAMS : 3; streams > 0; streams--) {
                places.put(random.nextInt(), new StreamPlace(random.nextLong()));
            }
            for (int i = 0; i < 2; i++) {
                byte[] payload = new byte[1 + random.nextInt(100)];
                random.nextBytes(payload);
                recording.beginFrame();
                recording.write(ByteBuffer.wrap(payload));
                recording.endFrame();
                recording.checkpoint(places);
            }
        }
    }

    private static byte[] harm(byte[] place, RandomGenerator random) {
        byte[] harmed = place.clone();
        ByteBuffer bytes = ByteBuffer.wrap(harmed).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 1 + random.nextInt(4); i > 0; i--) {
            int slot = random.nextInt(2) * SLOT_BYTES;
            // What is in use, mostly: the rest of a slot is 0.
            int at = slot + random.nextInt(random.nextInt(4) > 0 ? 40 + 2 * 72 : SLOT_BYTES / 2);
            at = Math.min(at, harmed.length - Long.BYTES);
            switch (random.nextInt(4)) {
                case 0 -> harmed[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> bytes.putLong(at & ~7, random.nextLong() >>> random.nextInt(64));
                case 2 -> bytes.putLong(at & ~7, random.nextBoolean() ? Long.MIN_VALUE : -1 - random.nextInt(100));
                default -> bytes.putInt(at & ~3, random.nextInt(200));
            }
            if (random.nextInt(4) > 0) {
                rightCrc(harmed, slot);
            }
        }
        return random.nextInt(16) > 0 ? harmed : Arrays.copyOf(harmed, random.nextInt(harmed.length));
    }

    private static void rightCrc(byte[] place, int slot) {
        ByteBuffer bytes = ByteBuffer.wrap(place).order(ByteOrder.LITTLE_ENDIAN);
        int streams = bytes.getInt(slot + 4);
        long end = 40 + (long) streams * 72;
        if (end >= 40 && end + 4 <= SLOT_BYTES && slot + end + 4 <= place.length) {
            CRC32C crc = new CRC32C();
            crc.update(place, slot, (int) end);
            bytes.putInt(slot + (int) end, (int) crc.getValue());
        }
    }

    private static Map<Integer, StreamPlace> open(Path file, byte[] before, Fuzz.Tally tally) throws IOException {
        Map<Integer, StreamPlace> places;
        try (Recording recording = Recording.open(file, true)) {
            places = recording.places();
            tally.end("gone on with", MOST_BYTES);
        } catch (IOException e) {
            tally.end(String.valueOf(e.getMessage()).replace(file.toString(), ""), MOST_BYTES);
            Fuzz.checkLine(e.getMessage());
            Fuzz.check(Arrays.equals(Files.readAllBytes(file), before), () -> "changed what it does not go on with");
            return Map.of();
        }
        Fuzz.check(places.size() <= Header.MOST_STREAMS, () -> "more than " + Header.MOST_STREAMS + " streams");
        for (StreamPlace place : places.values()) {
            Fuzz.check(
                    place.nextSequence >= 0
                            && place.nextPosition >= 0
                            && place.frames >= 0
                            && place.bytes >= 0
                            && place.lostBytes >= 0
                            && place.skippedBytes >= 0,
                    () -> "goes on with what cannot be: " + place.progress());
        }
        return places;
    }

    /** What it goes on with it can write, and go on with again. */
    private static void reopen(Path file, Map<Integer, StreamPlace> places) throws IOException {
        try (Recording recording = Recording.open(file, true)) {
            recording.checkpoint(places);
        }
        try (Recording recording = Recording.open(file, true)) {
            Fuzz.check(
                    recording.places().keySet().equals(places.keySet())
                            || places.values().stream().allMatch(place -> place.ended),
                    () -> "was written and is not there");
        }
    }
}
