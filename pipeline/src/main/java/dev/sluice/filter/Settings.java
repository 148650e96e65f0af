// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueType;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The settings of one node of a topology, read with their types. A key that the user did not write has the default of
 * {@code sluice.defaults} in {@code reference.conf}; one with no default must be written. Every method records what is
 * wrong with file, line and column instead of throwing, and then returns some value of its type: when all is read and
 * there are problems, nothing is started. Keys that nobody asked for are problems too.
 */
public final class Settings {

    /** What {@link #text} returns for a key that should have been written; the problem is recorded by then. */
    public static final String MISSING = "?";

    private static final Duration LONGEST = Duration.ofDays(365);

    private static final Pattern PLAIN_NUMBER = Pattern.compile("[-+0-9.eE]+");

    /** An exponent, with a unit behind it. */
    private static final Pattern HUGE_SIZE = Pattern.compile("[0-9.][eE][-+]?[0-9]+[^0-9]*[a-zA-Z]");

    private final String node;
    private final ConfigObject given;
    private final ConfigObject defaults;
    private final Problems problems;
    private final Set<String> asked = new TreeSet<>();

    /**
     * @param node how messages name it: {@code sinks.daq}
     * @param given what the user wrote
     * @param defaults the defaults for its type
     * @param problems where problems go
     */
    public Settings(String node, ConfigObject given, ConfigObject defaults, Problems problems) {
        this.node = node;
        this.given = given;
        this.defaults = defaults;
        this.problems = problems;
    }

    /** Whether a key has a value: for those that need not be written. */
    public boolean has(String key) {
        asked.add(key);
        return value(key) != null;
    }

    /** A size in bytes, at least {@code least}: {@code 4096}, {@code 4KiB}, {@code 1MB}. */
    public long bytes(String key, long least) {
        return bytes(key, least, Long.MAX_VALUE);
    }

    /** A size in bytes from {@code least} to {@code most}. */
    public long bytes(String key, long least, long most) {
        return within(key, least, most, read(key, "a size such as 4096, 4KiB or 1MB", Settings::sizeBytes, least));
    }

    /** A size in bytes from {@code least} to {@code most}; or a word, which stands for {@code meaning}. */
    public long bytesOr(String word, long meaning, String key, long least, long most) {
        ConfigValue value = value(key);
        if (value != null && word.equals(value.unwrapped())) {
            asked.add(key);
            return meaning;
        }
        String expected = word + ", or a size such as 4096, 4KiB or 1MB";
        return within(key, least, most, read(key, expected, Settings::sizeBytes, least));
    }

    /** A whole number from {@code least} to {@code most}. */
    public long count(String key, long least, long most) {
        return within(key, least, most, read(key, "a whole number", Settings::wholeNumber, least));
    }

    /** Some whole numbers from {@code least} to {@code most}, at least one: a number stands for a list of one. */
    public List<Long> counts(String key, long least, long most) {
        List<Long> numbers = read(
                key,
                "a whole number or a list of whole numbers",
                c -> c.getValue("v") instanceof ConfigList list
                        ? list.stream().map(Settings::wholeNumberIn).toList()
                        : List.of(wholeNumber(c)),
                List.of());
        if (value(key) instanceof ConfigList list && list.isEmpty()) {
            problem(key, "is empty");
        }
        numbers.stream()
                .filter(number -> number < least || number > most)
                .forEach(number -> problem(key, "has " + number + "; each must be from " + least + " to " + most));
        return numbers;
    }

    /** A number from {@code least} to {@code most}. */
    public double number(String key, double least, double most) {
        double value = read(key, "a number", c -> c.getDouble("v"), least);
        if (!(value >= least && value <= most)) {
            problem(key, "is " + value + "; it must be from " + least + " to " + most);
        }
        return value;
    }

    /** A length of time of at least {@code least} and at most a year: {@code 200ms}, {@code 5s}. */
    public Duration duration(String key, Duration least) {
        Duration value = read(key, "a length of time such as 200ms or 5s", c -> c.getDuration("v"), least);
        if (value.compareTo(LONGEST) > 0) {
            problem(key, "is more than a year; it must be at most " + LONGEST.toDays() + " days");
            return least;
        }
        if (value.compareTo(least) < 0) {
            problem(key, "is " + value.toMillis() + " ms; it must be at least " + least.toMillis() + " ms");
        }
        return value;
    }

    public boolean flag(String key) {
        return read(key, "true or false", c -> c.getBoolean("v"), false);
    }

    public String text(String key) {
        String value = read(key, "text", c -> c.getString("v"), MISSING);
        if (value.isBlank()) {
            problem(key, "is empty");
        }
        return value;
    }

    /** A text that may be empty. */
    public String any(String key) {
        return read(key, "text", c -> c.getString("v"), MISSING);
    }

    /** Some words, at least one: a text stands for a list of one. */
    public List<String> texts(String key) {
        List<String> texts = read(
                key,
                "a text or a list of texts",
                c -> c.getValue("v") instanceof ConfigList ? c.getStringList("v") : List.of(c.getString("v")),
                List.of());
        if (texts.contains("") || (value(key) instanceof ConfigList list && list.isEmpty())) {
            problem(key, "is empty");
        }
        return texts;
    }

    /** One of an enum's constants, written in lower case with hyphens. */
    public <E extends Enum<E>> E choice(String key, Class<E> type) {
        E[] constants = type.getEnumConstants();
        List<String> words = Arrays.stream(constants)
                .map(e -> e.name().toLowerCase(Locale.ROOT).replace('_', '-'))
                .toList();
        String word = read(key, "one of " + String.join(", ", words), c -> c.getString("v"), words.getFirst());
        int index = words.indexOf(word);
        if (index < 0) {
            problem(
                    key,
                    word,
                    "is \"" + word + "\"; write one of " + String.join(", ", words) + Problems.suggestion(word, words));
            return constants[0];
        }
        return constants[index];
    }

    /** Whether the user wrote the key. It counts as known from then on. */
    public boolean written(String key) {
        asked.add(key);
        ConfigValue value = given.get(key);
        return value != null && value.valueType() != ConfigValueType.NULL;
    }

    /** Says what the node lacks, and what to write: {@code missing("connect; write connect = …")}. */
    public void missing(String text) {
        problems.addKey(given.origin(), List.of(node.split("\\.", -1)), node + " has no " + text);
    }

    /** Marks a key as known that holds a section of its own, which its owner reads. */
    public void section(String key) {
        asked.add(key);
    }

    /**
     * The settings in a section of the node's own, {@code auth { … }}; null if none was written, or something else, which is
     * a problem then. Whoever reads them calls their {@link #finish}.
     */
    public @Nullable Settings inner(String key) {
        if (!written(key)) {
            return null;
        }
        if (!(given.get(key) instanceof ConfigObject inner)) {
            problem(key, "is no section; write " + key + " { … }");
            return null;
        }
        ConfigObject none = ConfigFactory.empty().root();
        return new Settings(
                node + "." + key, inner, defaults.get(key) instanceof ConfigObject known ? known : none, problems);
    }

    /** Says what is wrong with a key, after its name: {@code problem("length", "is longer than every")}. */
    public void problem(String key, String text) {
        problems.addKey(origin(key), keys(key), node + "." + key + " " + text);
    }

    /** As {@link #problem(String, String)}, and points at the value: for one that is misspelt. */
    public void problem(String key, String value, String text) {
        String all = node + "." + key + " " + text;
        if (given.containsKey(key)) {
            problems.addValue(origin(key), keys(key), value, all);
        } else {
            problems.addKey(origin(key), keys(key), all);
        }
    }

    /** Reports keys that nobody asked for. Called by the pipeline when the node has been read. */
    public void finish() {
        Set<String> known = new TreeSet<>(asked);
        known.addAll(defaults.keySet());
        for (String key : given.keySet()) {
            if (!asked.contains(key)) {
                problem(
                        key,
                        "is not a setting here; known are " + String.join(", ", known)
                                + Problems.suggestion(key, known));
            }
        }
    }

    private <T> T read(String key, String expected, Function<Config, T> reader, T otherwise) {
        asked.add(key);
        ConfigValue value = value(key);
        if (value == null) {
            problems.addKey(
                    given.origin(),
                    List.of(node.split("\\.", -1)),
                    node + " has no " + key + "; write " + key + " = " + expected);
            return otherwise;
        }
        try {
            return reader.apply(ConfigFactory.empty().withValue("v", value));
        } catch (ConfigException | StringIndexOutOfBoundsException e) { // half a surrogate pair: Config trims before it
            problem(key, "is " + value.render(ConfigRenderOptions.concise()) + ", which is not " + expected);
            return otherwise;
        }
    }

    private @Nullable ConfigValue value(String key) {
        ConfigValue value = given.get(key);
        if (value == null || value.valueType() == ConfigValueType.NULL) {
            value = defaults.get(key);
        }
        return value;
    }

    private ConfigOrigin origin(String key) {
        ConfigValue value = given.get(key);
        return value != null ? value.origin() : given.origin();
    }

    /** Where to look for a key on its line: behind the names of the node, which it may share the line with. */
    private List<String> keys(String key) {
        List<String> keys = new ArrayList<>(List.of(node.split("\\.", -1)));
        if (given.containsKey(key)) {
            keys.add(key);
        }
        return keys;
    }

    private long within(String key, long least, long most, long value) {
        if (value < least || value > most) {
            problem(
                    key,
                    "is " + value + "; it must be "
                            + (most == Long.MAX_VALUE ? "at least " + least : "from " + least + " to " + most));
            return least;
        }
        return value;
    }

    private static long sizeBytes(Config config) {
        String written = config.getString("v");
        if (HUGE_SIZE.matcher(written).find()) {
            throw new ConfigException.BadValue("v", "written with an exponent"); // all of its digits would be computed
        }
        boolean plain = PLAIN_NUMBER.matcher(written).matches();
        return plain ? wholeNumber(config) : config.getBytes("v");
    }

    private static long wholeNumberIn(ConfigValue value) {
        return wholeNumber(ConfigFactory.empty().withValue("v", value));
    }

    /** Typesafe Config would cut 1.5 down to 1, and a number that is too large to the largest there is. */
    private static long wholeNumber(Config config) {
        try {
            return new BigDecimal(config.getString("v")).longValueExact();
        } catch (ArithmeticException | NumberFormatException e) {
            throw new ConfigException.BadValue("v", "not a whole number", e);
        }
    }
}
