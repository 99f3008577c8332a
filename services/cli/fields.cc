#include "services/cli/fields.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <optional>
#include <set>

#include "services/cli/words.h"

namespace denier::cli {
namespace {

bool EndsWith(std::string_view text, std::string_view suffix) { return text.ends_with(suffix); }

// The type's own identifier is typed `id`: CommitmentLine.line_id, Product.product_id.
bool IsOwnId(const FieldDescriptor& field) {
  const std::string_view name = field.name();
  return field.index() == 0 && EndsWith(name, "_id") &&
         EndsWith(Lower(field.containing_type()->name()), name.substr(0, name.size() - 3));
}

// The name of a field inside a typed message.
std::string KeyName(const FieldDescriptor& field) {
  return IsOwnId(field) ? "id" : ShortName(field);
}

std::vector<const EnumValueDescriptor*> Choices(const FieldDescriptor& field) {
  std::vector<const EnumValueDescriptor*> choices;
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    const EnumValueDescriptor* value = field.enum_type()->value(i);
    if (value->number() != 0) choices.push_back(value);
  }
  return choices;
}

absl::Status Wrong(Lang lang, std::string_view text, const std::string& french,
                   const std::string& english) {
  const std::string got(text);
  return absl::InvalidArgumentError(
      In(lang, "« " + got + " » : " + french, "\"" + got + "\": " + english));
}

absl::Status SetMessage(Message* message, std::string_view text, Lang lang) {
  const Descriptor& type = *message->GetDescriptor();
  if (text.starts_with('{')) {
    const auto status = google::protobuf::util::JsonStringToMessage(
        google::protobuf::StringPiece(text.data(), text.size()), message);
    if (status.ok()) return absl::OkStatus();
    return Wrong(lang, text, "ce n'est pas du JSON de ce type : " + status.ToString(),
                 "no JSON of this type: " + status.ToString());
  }
  if (text.find('=') == std::string_view::npos) {
    const auto values = Split(text, ':');
    if (static_cast<int>(values.size()) > type.field_count()) {
      return Wrong(lang, text, "trop de valeurs", "too many values");
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i].empty()) continue;
      const absl::Status set = SetField(message, *type.field(static_cast<int>(i)), values[i], lang);
      if (!set.ok()) return set;
    }
    return absl::OkStatus();
  }
  for (const std::string_view piece : Split(text, ',')) {
    const std::size_t equals = piece.find('=');
    const std::string key = Replace(piece.substr(0, equals), '_', '-');
    const FieldDescriptor* field = nullptr;
    std::string keys;
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor* candidate = type.field(i);
      keys += (i > 0 ? ", " : "") + KeyName(*candidate);
      if (key == KeyName(*candidate) || key == ShortName(*candidate)) field = candidate;
    }
    if (field == nullptr) {
      return Wrong(lang, piece, "clé inconnue ; les clés sont " + keys,
                   "unknown key; the keys are " + keys);
    }
    // A flag may stand alone.
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view("true") : piece.substr(equals + 1);
    if (equals == std::string_view::npos && KindOf(*field) != Kind::kFlag) {
      return Wrong(lang, piece, "valeur manquante", "a value is missing");
    }
    const absl::Status set = SetField(message, *field, value, lang);
    if (!set.ok()) return set;
  }
  return absl::OkStatus();
}

// `part` of the row that has the path, and the field at its end with the message that holds it;
// a null message when a message on the way is not set.
struct Found {
  const Message* message = nullptr;
  const FieldDescriptor* field = nullptr;
};

Found Find(const std::vector<const Descriptor*>& types, const Row* row, std::string_view path) {
  const auto steps = Split(path, '.');
  for (std::size_t part = 0; part < types.size(); ++part) {
    const Descriptor* type = types[part];
    const FieldDescriptor* field = type->FindFieldByName(std::string(steps.front()));
    if (field == nullptr) continue;
    const Message* message = row == nullptr ? nullptr : row->parts[part];
    for (std::size_t i = 1; i < steps.size(); ++i) {
      if (message != nullptr) {
        message = message->GetReflection()->HasField(*message, field)
                      ? &message->GetReflection()->GetMessage(*message, field)
                      : nullptr;
      }
      field = field->message_type()->FindFieldByName(std::string(steps[i]));
    }
    return {.message = message, .field = field};
  }
  return {};
}

template <typename Text>
std::string CellText(const Found& found, std::string_view separator, const Text& text) {
  if (found.message == nullptr) return "";
  if (!found.field->is_repeated()) return text(-1);
  std::string joined;
  const int size = found.message->GetReflection()->FieldSize(*found.message, found.field);
  for (int i = 0; i < size; ++i) joined += std::string(i > 0 ? separator : "") + text(i);
  return joined;
}

// A field's text where both ways of writing agree on the field's type.
template <typename OnAmount, typename OnDay, typename OnInstant, typename OnFlag, typename OnChoice>
std::string TextOf(const Message& m, const FieldDescriptor& f, int index, OnAmount amount,
                   OnDay day, OnInstant instant, OnFlag flag, OnChoice choice) {
  const auto* r = m.GetReflection();
  const bool one = index < 0;
  const auto int64 = [&] { return one ? r->GetInt64(m, &f) : r->GetRepeatedInt64(m, &f, index); };
  const auto int32 = [&] { return one ? r->GetInt32(m, &f) : r->GetRepeatedInt32(m, &f, index); };
  switch (KindOf(f)) {
    case Kind::kAmount:
      return amount(int64());
    case Kind::kDay:
      return day(int32());
    case Kind::kInstant:
      return instant(int64());
    case Kind::kYear:
      return int32() == 0 ? "" : std::to_string(int32());
    case Kind::kNumber:
      return std::to_string(f.cpp_type() == FieldDescriptor::CPPTYPE_INT64 ? int64() : int32());
    case Kind::kText:
      return one ? r->GetString(m, &f) : r->GetRepeatedString(m, &f, index);
    case Kind::kBytes: {
      constexpr char kHex[] = "0123456789abcdef";
      std::string hex;
      for (const unsigned char c : r->GetString(m, &f)) {
        hex += {kHex[c >> 4], kHex[c & 15]};
      }
      return hex;
    }
    case Kind::kFlag:
      return flag(r->GetBool(m, &f));
    case Kind::kChoice: {
      const auto* value = one ? r->GetEnum(m, &f) : r->GetRepeatedEnum(m, &f, index);
      return value->number() == 0 ? "" : choice(*value);
    }
    case Kind::kMessage:
      break;
  }
  return "";
}

void AppendLeaves(const Descriptor& type, const std::string& prefix,
                  std::vector<std::string>* leaves) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (KindOf(field) != Kind::kMessage) {
      leaves->push_back(prefix + field.name());
    } else if (!field.is_repeated()) {
      AppendLeaves(*field.message_type(), prefix + field.name() + ".", leaves);
    }
  }
}

std::string PathColumn(std::string_view path, const FieldDescriptor& field) {
  const std::size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return ColumnName(field);
  return Replace(path.substr(0, dot), '.', '_') + "_" + ColumnName(field);
}

}  // namespace

Kind KindOf(const FieldDescriptor& field) {
  const std::string_view name = field.name();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT64:
      if (EndsWith(name, "position") || name == "rows_compared" || EndsWith(name, "_bytes")) {
        return Kind::kNumber;
      }
      // The rows of reports say once for the message that all of it is in cents.
      return EndsWith(name, "_us") ? Kind::kInstant : Kind::kAmount;
    case FieldDescriptor::CPPTYPE_INT32:
      if (EndsWith(name, "_year") || EndsWith(name, "_years")) return Kind::kYear;
      return EndsWith(name, "_date") || name.starts_with("valid_") || name == "applies_from" ||
                     name.starts_with("effective_")
                 ? Kind::kDay
                 : Kind::kNumber;
    case FieldDescriptor::CPPTYPE_BOOL:
      return Kind::kFlag;
    case FieldDescriptor::CPPTYPE_ENUM:
      return Kind::kChoice;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Kind::kMessage;
    default:
      return field.type() == FieldDescriptor::TYPE_BYTES ? Kind::kBytes : Kind::kText;
  }
}

std::string ShortName(const FieldDescriptor& field) {
  std::string name = field.name();
  if (name == "fiscal_year") return "year";
  bool cut = false;
  for (const std::string_view suffix : {"_cents", "_reference", "_date", "_ids", "_id"}) {
    if (cut || !EndsWith(name, suffix)) continue;
    name.resize(name.size() - suffix.size());
    cut = true;
  }
  if (field.is_repeated() && !cut && EndsWith(name, "s")) name.pop_back();
  return Replace(name, '_', '-');
}

std::string ChoiceName(const EnumValueDescriptor& value) {
  // PAYMENT_TYPE_ADVANCE: the enum's own name, and a '_' between its words, come first.
  const std::string prefix = Kebab(value.type()->name()) + "-";
  return Lower(value.name().substr(prefix.size()));
}

std::string Syntax(const FieldDescriptor& field, Lang lang) {
  switch (KindOf(field)) {
    case Kind::kAmount:
      return "EUROS";
    case Kind::kDay:
      return In(lang, "AAAA-MM-JJ", "YYYY-MM-DD");
    case Kind::kYear:
      return In(lang, "AAAA", "YYYY");
    case Kind::kNumber:
    case Kind::kInstant:
      return "N";
    case Kind::kFlag:
      return "true|false";
    case Kind::kChoice: {
      std::string names;
      for (const EnumValueDescriptor* value : Choices(field)) {
        names += (names.empty() ? "" : "|") + Replace(ChoiceName(*value), '_', '-');
      }
      return names;
    }
    case Kind::kMessage: {
      std::string keys;
      const Descriptor& type = *field.message_type();
      for (int i = 0; i < type.field_count(); ++i) {
        const FieldDescriptor& inner = *type.field(i);
        std::string value = Syntax(inner, lang);
        if (KindOf(inner) == Kind::kMessage) {
          value.clear();
          for (int k = 0; k < inner.message_type()->field_count(); ++k) {
            value += (k > 0 ? ":" : "") + Syntax(*inner.message_type()->field(k), lang);
          }
        }
        keys += (i > 0 ? "," : "") + KeyName(inner) + "=" + value;
      }
      return keys;
    }
    case Kind::kText:
    case Kind::kBytes:
      break;
  }
  return EndsWith(field.name(), "label") || field.name() == "ambition" ||
                 field.name() == "objectives" || field.name() == "sites"
             ? In(lang, "TEXTE", "TEXT")
             : "ID";
}

absl::Status SetField(Message* message, const FieldDescriptor& field, std::string_view text,
                      Lang lang) {
  const auto* r = message->GetReflection();
  const Kind kind = KindOf(field);
  if (kind == Kind::kMessage) {
    return SetMessage(
        field.is_repeated() ? r->AddMessage(message, &field) : r->MutableMessage(message, &field),
        text, lang);
  }
  const bool free_text = Syntax(field, Lang::kEnglish) == "TEXT";
  if (field.is_repeated() && !free_text && text.find(',') != std::string_view::npos) {
    for (const std::string_view piece : Split(text, ',')) {
      const absl::Status set = SetField(message, field, piece, lang);
      if (!set.ok()) return set;
    }
    return absl::OkStatus();
  }

  const auto set_int32 = [&](std::int32_t value) {
    field.is_repeated() ? r->AddInt32(message, &field, value) : r->SetInt32(message, &field, value);
  };
  switch (kind) {
    case Kind::kAmount: {
      const auto cents = ParseCents(text);
      if (!cents) {
        return Wrong(lang, text,
                     "montant attendu en euros, deux décimales au plus, tel que 183072.00",
                     "want an amount in euros, at most two decimals, such as 183072.00");
      }
      r->SetInt64(message, &field, *cents);
      return absl::OkStatus();
    }
    case Kind::kDay: {
      const auto day = ParseDay(text);
      if (!day) {
        return Wrong(lang, text, "date attendue, telle que 2022-03-31",
                     "want a day, such as 2022-03-31");
      }
      set_int32(*day);
      return absl::OkStatus();
    }
    case Kind::kYear: {
      const auto year = ParseNumber(text);
      if (!year || *year < 1 || *year > 9999) {
        return Wrong(lang, text, "exercice attendu, tel que 2022", "want a year, such as 2022");
      }
      set_int32(static_cast<std::int32_t>(*year));
      return absl::OkStatus();
    }
    case Kind::kNumber: {
      const auto number = ParseNumber(text);
      const bool narrow = field.cpp_type() == FieldDescriptor::CPPTYPE_INT32;
      if (!number || (narrow && (*number > INT32_MAX || *number < INT32_MIN))) {
        return Wrong(lang, text, "nombre entier attendu", "want a whole number");
      }
      narrow ? r->SetInt32(message, &field, static_cast<std::int32_t>(*number))
             : r->SetInt64(message, &field, *number);
      return absl::OkStatus();
    }
    case Kind::kFlag:
      if (text != "true" && text != "false") {
        return Wrong(lang, text, "true ou false attendu", "want true or false");
      }
      r->SetBool(message, &field, text == "true");
      return absl::OkStatus();
    case Kind::kChoice:
      for (const EnumValueDescriptor* value : Choices(field)) {
        if (Replace(text, '-', '_') != ChoiceName(*value)) continue;
        r->SetEnum(message, &field, value);
        return absl::OkStatus();
      }
      return Wrong(lang, text, "attendu : " + Syntax(field, lang),
                   "want one of " + Syntax(field, lang));
    case Kind::kText:
      field.is_repeated() ? r->AddString(message, &field, std::string(text))
                          : r->SetString(message, &field, std::string(text));
      return absl::OkStatus();
    case Kind::kInstant:
    case Kind::kBytes:
    case Kind::kMessage:
      break;
  }
  return Wrong(lang, text, "ce champ ne se saisit pas", "this field cannot be typed");
}

std::string PlainText(const Message& message, const FieldDescriptor& field, int index) {
  return TextOf(
      message, field, index, PlainEuros, PlainDay, PlainInstant,
      [](bool flag) { return flag ? "true" : "false"; }, ChoiceName);
}

std::string HumanText(const Message& message, const FieldDescriptor& field, int index, Lang lang) {
  if (KindOf(field) == Kind::kText && !field.is_repeated()) {
    // Some texts come from a short list: accounts and ledgers.
    const std::string text = PlainText(message, field, index);
    const std::string value = field.name() + "." + text;
    return HasWord(value) ? Word(value, lang) : text;
  }
  return TextOf(
      message, field, index, [&](std::int64_t cents) { return Euros(cents, lang); },
      [&](std::int32_t day) { return Day(day, lang); },
      [&](std::int64_t instant) { return Instant(instant, lang); },
      [&](bool flag) { return flag ? In(lang, "oui", "yes") : ""; },
      [&](const EnumValueDescriptor& value) {
        return HasWord(value.name()) ? Word(value.name(), lang) : ChoiceName(value);
      });
}

std::string ColumnName(const FieldDescriptor& field) {
  for (const std::string_view suffix : {"_cents", "_us"}) {
    if (EndsWith(field.name(), suffix)) {
      return field.name().substr(0, field.name().size() - suffix.size());
    }
  }
  return field.name();
}

nlohmann::ordered_json ToJson(const Message& message) {
  const auto* r = message.GetReflection();
  const auto value = [&](const FieldDescriptor& f, int index) -> nlohmann::ordered_json {
    switch (KindOf(f)) {
      case Kind::kMessage:
        return ToJson(index < 0 ? r->GetMessage(message, &f)
                                : r->GetRepeatedMessage(message, &f, index));
      case Kind::kFlag:
        return r->GetBool(message, &f);
      case Kind::kNumber:
      case Kind::kYear:
        if (const auto number = ParseNumber(PlainText(message, f, index))) return *number;
        return nullptr;
      case Kind::kDay:
      case Kind::kInstant:
      case Kind::kChoice: {
        std::string text = PlainText(message, f, index);
        if (text.empty()) return nullptr;
        return text;
      }
      default:
        return PlainText(message, f, index);
    }
  };
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  const Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& f = *type.field(i);
    if (f.is_repeated()) {
      auto& list = json[ColumnName(f)] = nlohmann::ordered_json::array();
      for (int k = 0; k < r->FieldSize(message, &f); ++k) list.push_back(value(f, k));
    } else if (!f.has_presence() || r->HasField(message, &f)) {
      json[ColumnName(f)] = value(f, -1);
    }
  }
  return json;
}

std::vector<std::string> Leaves(const Descriptor& type) {
  std::vector<std::string> leaves;
  AppendLeaves(type, "", &leaves);
  return leaves;
}

Grid PlainGrid(const std::vector<const Descriptor*>& types, const std::vector<Row>& rows) {
  std::vector<std::string> paths;
  Grid grid;
  std::set<std::string> seen;
  for (const Descriptor* type : types) {
    for (const std::string& path : Leaves(*type)) {
      const Found found = Find(types, nullptr, path);
      std::string name = PathColumn(path, *found.field);
      if (!seen.insert(name).second) continue;
      paths.push_back(path);
      grid.columns.push_back({.heading = std::move(name)});
    }
  }
  for (const Row& row : rows) {
    auto& cells = grid.rows.emplace_back();
    for (const std::string& path : paths) {
      const Found f = Find(types, &row, path);
      cells.push_back(
          CellText(f, " ", [&](int index) { return PlainText(*f.message, *f.field, index); }));
    }
  }
  return grid;
}

Grid HumanGrid(const std::vector<const Descriptor*>& types, const std::vector<Row>& rows,
               const std::vector<std::string>& paths, Lang lang) {
  Grid grid;
  for (const std::string& path : paths) {
    const FieldDescriptor& field = *Find(types, nullptr, path).field;
    const bool nested = path.find('.') != std::string::npos;
    grid.columns.push_back(
        {.heading = nested && HasWord(path) ? Word(path, lang) : FieldWord(field, lang),
         .right = KindOf(field) == Kind::kAmount || KindOf(field) == Kind::kNumber});
  }
  for (const Row& row : rows) {
    if (row.total) grid.totals.insert(grid.rows.size());
    auto& cells = grid.rows.emplace_back();
    for (const std::string& path : paths) {
      const Found f = Find(types, &row, path);
      cells.push_back(CellText(
          f, ", ", [&](int index) { return HumanText(*f.message, *f.field, index, lang); }));
    }
  }
  return grid;
}

std::vector<std::pair<std::string, std::string>> HumanList(const Message& message, Lang lang) {
  std::vector<std::pair<std::string, std::string>> list;
  const std::vector<const Descriptor*> types = {message.GetDescriptor()};
  const Row row{.parts = {&message}};
  for (const std::string& path : Leaves(*types.front())) {
    const Found f = Find(types, &row, path);
    std::string text =
        CellText(f, ", ", [&](int index) { return HumanText(*f.message, *f.field, index, lang); });
    if (text.empty()) continue;
    const bool own = path.find('.') == std::string::npos || !HasWord(path);
    list.emplace_back(own ? FieldWord(*f.field, lang) : Word(path, lang), std::move(text));
  }
  return list;
}

}  // namespace denier::cli
